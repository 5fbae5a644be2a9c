SELECT * FROM (SELECT t."ID", t."CASE_ID", t."EVENT_DATA", CASE WHEN t."EVENT_TIMESTAMP" >= DATE '0001-01-01' THEN TO_CHAR(t."EVENT_TIMESTAMP", 'YYYY-MM-DD"T"HH24:MI:SS.FF6"+00:00"') END "EVENT_TIMESTAMP", TO_CHAR(t."EVENT_TIMESTAMP", 'YYYY-MM-DD"T"HH24:MI:SS.FF9') "$KEY"
FROM "SPC"."TXLOG_EVENTS" t
WHERE t."EVENT_TIMESTAMP" >= TO_TIMESTAMP(:after_key, 'YYYY-MM-DD"T"HH24:MI:SS.FF9') AND (t."EVENT_TIMESTAMP" > TO_TIMESTAMP(:after_key, 'YYYY-MM-DD"T"HH24:MI:SS.FF9') OR t."ID" > :after_id) AND t."EVENT_TIMESTAMP" < TO_TIMESTAMP(:until_key, 'YYYY-MM-DD"T"HH24:MI:SS.FF9') AND t."CASE_ID" IN (:f0_0, :f0_1) AND t."ID" IN (:f1_0) AND NOT (t."ID" BETWEEN :low0 AND :high0 AND MOD(t."ID" - :low0, :step0) = 0) AND NOT (t."ID" BETWEEN :low1 AND :high1 AND MOD(t."ID" - :low1, :step1) = 0) AND NOT (t."ID" BETWEEN :low2 AND :high2 AND MOD(t."ID" - :low2, :step2) = 0) AND NOT (t."ID" BETWEEN :low3 AND :high3 AND MOD(t."ID" - :low3, :step3) = 0)
ORDER BY t."EVENT_TIMESTAMP", t."ID")
WHERE ROWNUM <= 10001
-- :after_key str '2026-01-31T18:30:00.123456789'
-- :after_id int 7
-- :until_key str '2026-02-01T00:00:00.000000000'
-- :f0_0 str 'C0137'
-- :f0_1 str 'C0138'
-- :f1_0 int 7
-- :low0 int 1
-- :high0 int 20
-- :step0 int 1
-- :low1 int 1
-- :high1 int 0
-- :step1 int 1
-- :low2 int 1
-- :high2 int 0
-- :step2 int 1
-- :low3 int 1
-- :high3 int 0
-- :step3 int 1
