-- The default table, the index that keeps its pages cheap, and a reader with the rights that the tap wants.
ALTER SESSION SET CONTAINER = FREEPDB1;

CREATE TABLE spc.txlog_events (
  id              NUMBER(19)    NOT NULL,
  case_id         VARCHAR2(64 CHAR),
  event_type      VARCHAR2(64 CHAR),
  event_data      CLOB,
  event_timestamp TIMESTAMP(6)  DEFAULT SYS_EXTRACT_UTC(SYSTIMESTAMP) NOT NULL,
  created_at      TIMESTAMP(6)  DEFAULT SYS_EXTRACT_UTC(SYSTIMESTAMP),
  CONSTRAINT pk_txlog_events PRIMARY KEY (id)
);

CREATE INDEX spc.ix_txlog_events_tail ON spc.txlog_events (event_timestamp, id);

CREATE USER spc_read IDENTIFIED BY spc_read;
GRANT CREATE SESSION TO spc_read;
GRANT SELECT ON spc.txlog_events TO spc_read;
-- Lets the tap know the oldest open transaction, so that it need not rely on a look-back alone, who
-- holds it, whether all nodes of a cluster answer, and which branches are in doubt.
GRANT SELECT ON sys.gv_$transaction TO spc_read;
GRANT SELECT ON sys.v_$transaction TO spc_read;
GRANT SELECT ON sys.gv_$session TO spc_read;
GRANT SELECT ON sys.gv_$instance TO spc_read;
GRANT SELECT ON sys.v_$active_instances TO spc_read;
GRANT SELECT ON sys.dba_2pc_pending TO spc_read;
