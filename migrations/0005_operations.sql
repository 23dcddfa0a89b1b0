-- What people did over REST: one row for each property that a call changed. Values of variables never stand here.
CREATE TABLE user_operation (
    id TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    at BIGINT NOT NULL,
    author TEXT NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    entity TEXT NOT NULL,
    category TEXT NOT NULL,
    property TEXT,
    org_value TEXT,
    new_value TEXT,
    deployment BIGINT,
    definition BIGINT,
    process TEXT,
    instance BIGINT,
    root BIGINT,
    task BIGINT,
    external_task BIGINT,
    job BIGINT,
    element TEXT,
    batch TEXT,
    annotation TEXT
);
-- what was done to an instance, and what goes with its history
CREATE INDEX user_operation_instance ON user_operation (instance, id);
-- all rows of a call
CREATE INDEX user_operation_operation ON user_operation (operation);
-- by time, and what belongs to no instance and is old
CREATE INDEX user_operation_at ON user_operation (at);

-- What an operator says about an incident, while it is open and afterwards.
CREATE TABLE incident_note (
    instance BIGINT NOT NULL,
    id BIGINT NOT NULL,
    annotation TEXT NOT NULL,
    PRIMARY KEY (instance, id)
) /*sqlite: WITHOUT ROWID */;
