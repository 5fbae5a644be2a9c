-- The table of the answers, and the user who writes it. MESSAGE_ID is the key: an answer that is published
-- or delivered again is the same row. IS JSON works from Oracle 12.1 on; from 21c, the type JSON does as well.

CREATE TABLE SPC.TXLOG_RESULTS (
    MESSAGE_ID                   VARCHAR2(512)  CONSTRAINT PK_TXLOG_RESULTS PRIMARY KEY,
    STREAM_NAME                  VARCHAR2(255)  NOT NULL,
    STREAM_SEQUENCE              NUMBER(20)     NOT NULL,
    SUBJECT                      VARCHAR2(1000) NOT NULL,
    PAYLOAD_JSON                 CLOB           CONSTRAINT CK_TXLOG_RESULTS CHECK (PAYLOAD_JSON IS JSON),
    HEADERS_JSON                 CLOB,
    METADATA_JSON                CLOB,
    MISSION_METADATA_JSON        CLOB,
    SECURITY_LABELS_JSON         CLOB,
    PRIORITY                     VARCHAR2(100),
    CLASSIFICATION               VARCHAR2(100),
    LABELS                       VARCHAR2(1000),
    MESSAGE_CREATED_AT_EPOCH_NS  NUMBER(19),
    JETSTREAM_TIMESTAMP_EPOCH_NS NUMBER(19),
    RECEIVED_AT_EPOCH_NS         NUMBER(19)     NOT NULL,
    STORED_AT_EPOCH_NS           NUMBER(19)     NOT NULL
);

CREATE INDEX SPC.IX_TXLOG_RESULTS_SEQ ON SPC.TXLOG_RESULTS (STREAM_NAME, STREAM_SEQUENCE);

GRANT SELECT, INSERT ON SPC.TXLOG_RESULTS TO SPC_RESULTS;
