SELECT a.NUM_ROWS FROM ALL_TABLES a
WHERE a.OWNER = NVL(:owner, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND a.TABLE_NAME = :table_name
-- :owner str 'SPC'
-- :table_name str 'TXLOG_EVENTS'
