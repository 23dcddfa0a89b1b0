-- The tables of the engine. One text for both databases: times are milliseconds UTC, booleans SMALLINT, documents JSON.
-- A comment that starts with a database's name and a colon is text for that database only (src/store/schema.rs).
-- No tenant is the empty string, so that unique keys hold. Each index beyond a primary key says which read needs it.

-- Cluster ------------------------------------------------------------------------------------------------------------

CREATE TABLE installation (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    mark TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE partition (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

-- Models -------------------------------------------------------------------------------------------------------------

CREATE TABLE deployment (
    id BIGINT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT,
    source TEXT,
    at BIGINT NOT NULL
);

-- Exactly the bytes received.
CREATE TABLE resource (
    deployment BIGINT NOT NULL,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (deployment, id)
);
-- a file of a deployment
CREATE UNIQUE INDEX resource_name ON resource (deployment, name);

CREATE TABLE definition (
    id BIGINT PRIMARY KEY,
    kind SMALLINT NOT NULL,
    deployment BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    version BIGINT NOT NULL,
    version_tag TEXT,
    name TEXT,
    resource TEXT NOT NULL,
    suspended SMALLINT NOT NULL,
    startable SMALLINT NOT NULL,
    history_ttl_days BIGINT,
    documentation TEXT
);
-- what a deployment defines; the requirements graph of a decision
CREATE INDEX definition_deployment ON definition (deployment);
-- a version is given once
CREATE UNIQUE INDEX definition_version ON definition (tenant, kind, key, version);

CREATE TABLE start_event (
    definition BIGINT NOT NULL,
    element TEXT NOT NULL,
    part BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    message TEXT,
    signal TEXT,
    due BIGINT,
    cycle TEXT,
    PRIMARY KEY (definition, element, part)
) /*sqlite: WITHOUT ROWID */;

-- What processes say to others, until it is delivered.
CREATE TABLE letter (
    partition BIGINT NOT NULL,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (partition, id)
) /*sqlite: WITHOUT ROWID */;

-- State --------------------------------------------------------------------------------------------------------------

-- Also the historic row after the end, then with an empty body.
CREATE TABLE process_instance (
    id BIGINT PRIMARY KEY,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    business_key TEXT,
    caller BIGINT,
    caller_token BIGINT,
    root BIGINT NOT NULL,
    state SMALLINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    starter TEXT,
    start_element TEXT,
    end_element TEXT,
    reason TEXT,
    revision BIGINT NOT NULL,
    incidents BIGINT NOT NULL,
    body TEXT NOT NULL
) /*postgres: WITH (fillfactor = 70) */;
-- running instances among a million ended ones
CREATE INDEX process_instance_live ON process_instance (definition, id) WHERE ended_at IS NULL;
-- start of a message, look-up by an operator
CREATE INDEX process_instance_business_key ON process_instance (business_key, id) WHERE business_key IS NOT NULL;
-- instances that were called
CREATE INDEX process_instance_caller ON process_instance (caller) WHERE caller IS NOT NULL;

CREATE TABLE scope (
    instance BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (instance, scope)
) /*sqlite: WITHOUT ROWID */;

-- Index rows: a pure function of the state ---------------------------------------------------------------------------

CREATE TABLE job (
    instance BIGINT NOT NULL,
    token BIGINT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    business_key TEXT,
    suspended SMALLINT NOT NULL,
    kind SMALLINT NOT NULL,
    element TEXT NOT NULL,
    topic TEXT NOT NULL,
    lease_no BIGINT NOT NULL,
    holder TEXT,
    leased_until BIGINT,
    retries BIGINT,
    expiries BIGINT NOT NULL,
    due BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    error TEXT,
    incident SMALLINT NOT NULL,
    PRIMARY KEY (instance, token)
) /*sqlite: WITHOUT ROWID */ /*postgres: WITH (fillfactor = 70) */;
-- fetchAndLock, the executor: what can be had of a topic, urgent first
CREATE INDEX job_open ON job (topic, priority DESC, instance, token) WHERE holder IS NULL AND incident = 0;
-- the schedule: leases that end
CREATE INDEX job_leased ON job (leased_until) WHERE holder IS NOT NULL;
-- the schedule: jobs that rest after a failure
CREATE INDEX job_resting ON job (due) WHERE holder IS NULL AND incident = 0 AND due > created_at;
-- the schedule: tokens that go on in a commit of their own (kind 1: continuation)
CREATE INDEX job_continuation ON job (due) WHERE kind = 1 AND holder IS NULL;

CREATE TABLE user_task (
    instance BIGINT NOT NULL,
    token BIGINT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    business_key TEXT,
    suspended SMALLINT NOT NULL,
    element TEXT NOT NULL,
    scope BIGINT NOT NULL,
    name TEXT,
    description TEXT,
    assignee TEXT,
    owner TEXT,
    delegation SMALLINT,
    priority BIGINT NOT NULL,
    due BIGINT,
    follow_up BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    PRIMARY KEY (instance, token)
) /*sqlite: WITHOUT ROWID */;
-- my tasks
CREATE INDEX user_task_assignee ON user_task (assignee, instance, token) WHERE assignee IS NOT NULL;

CREATE TABLE candidate (
    instance BIGINT NOT NULL,
    token BIGINT NOT NULL,
    is_group SMALLINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (instance, token, is_group, name)
) /*sqlite: WITHOUT ROWID */;
-- tasks that a user or a group may claim
CREATE INDEX candidate_name ON candidate (name, is_group, instance, token);

CREATE TABLE timer (
    instance BIGINT NOT NULL,
    id BIGINT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    business_key TEXT,
    suspended SMALLINT NOT NULL,
    owner BIGINT NOT NULL,
    element TEXT NOT NULL,
    due BIGINT NOT NULL,
    repeats SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (instance, id)
) /*sqlite: WITHOUT ROWID */;
-- the schedule
CREATE INDEX timer_due ON timer (due);

CREATE TABLE subscription (
    instance BIGINT NOT NULL,
    id BIGINT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    business_key TEXT,
    suspended SMALLINT NOT NULL,
    owner BIGINT NOT NULL,
    element TEXT NOT NULL,
    signal SMALLINT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (instance, id)
) /*sqlite: WITHOUT ROWID */;
-- who waits for a message or a signal
CREATE INDEX subscription_name ON subscription (name, business_key, instance);

CREATE TABLE incident (
    instance BIGINT NOT NULL,
    id BIGINT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    business_key TEXT,
    suspended SMALLINT NOT NULL,
    token BIGINT NOT NULL,
    element TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (instance, id)
) /*sqlite: WITHOUT ROWID */;

-- Short values as text and number, for filters.
CREATE TABLE variable (
    instance BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT,
    number DOUBLE PRECISION,
    token BIGINT,
    PRIMARY KEY (instance, scope, name)
) /*sqlite: WITHOUT ROWID */;

-- Commands -----------------------------------------------------------------------------------------------------------

CREATE TABLE command_key (
    tenant TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    answer TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, route, key)
) /*sqlite: WITHOUT ROWID */;
-- clean-up after seven days
CREATE INDEX command_key_at ON command_key (at);

-- History ------------------------------------------------------------------------------------------------------------

-- next_id and clock ride in the last row of a batch; (partition, position) is the second fence.
CREATE TABLE history (
    partition BIGINT NOT NULL,
    position BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    instance BIGINT,
    at BIGINT NOT NULL,
    cause TEXT NOT NULL,
    events TEXT NOT NULL,
    next_id BIGINT,
    clock BIGINT,
    PRIMARY KEY (partition, position)
) /*sqlite: WITHOUT ROWID */;
-- the story of one instance
CREATE INDEX history_instance ON history (instance, position) WHERE instance IS NOT NULL;

CREATE TABLE past_activity (
    instance BIGINT NOT NULL,
    token BIGINT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    element TEXT NOT NULL,
    name TEXT,
    kind TEXT NOT NULL,
    scope BIGINT NOT NULL,
    parent BIGINT,
    called BIGINT,
    assignee TEXT,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    cancelled SMALLINT NOT NULL,
    PRIMARY KEY (instance, token)
) /*sqlite: WITHOUT ROWID */;

CREATE TABLE past_task (
    instance BIGINT NOT NULL,
    token BIGINT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    element TEXT NOT NULL,
    name TEXT,
    description TEXT,
    assignee TEXT,
    owner TEXT,
    delegation SMALLINT,
    priority BIGINT NOT NULL,
    due BIGINT,
    follow_up BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    ended_at BIGINT,
    reason TEXT,
    PRIMARY KEY (instance, token)
) /*sqlite: WITHOUT ROWID */;

-- The last value of each variable, of running instances too; absent once it was removed.
CREATE TABLE past_variable (
    instance BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    name TEXT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    value TEXT,
    token BIGINT,
    at BIGINT NOT NULL,
    PRIMARY KEY (instance, scope, name)
) /*sqlite: WITHOUT ROWID */;

CREATE TABLE past_incident (
    instance BIGINT NOT NULL,
    id BIGINT NOT NULL,
    root BIGINT NOT NULL,
    definition BIGINT NOT NULL,
    process TEXT NOT NULL,
    tenant TEXT NOT NULL,
    token BIGINT NOT NULL,
    element TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    resolved_at BIGINT,
    deleted SMALLINT NOT NULL,
    PRIMARY KEY (instance, id)
) /*sqlite: WITHOUT ROWID */;

-- Of what was evaluated by itself, not for a task, `instance` is a number of its own and root, definition, process, token and
-- element are absent. asked: the decision on whose way this one was, if another. body: inputs and outputs as JSON.
CREATE TABLE past_decision (
    instance BIGINT NOT NULL,
    id BIGINT NOT NULL,
    root BIGINT,
    definition BIGINT,
    process TEXT,
    tenant TEXT NOT NULL,
    token BIGINT,
    element TEXT,
    evaluator TEXT,
    decision BIGINT NOT NULL,
    key TEXT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    asked BIGINT,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (instance, id)
) /*sqlite: WITHOUT ROWID */;

-- Security -----------------------------------------------------------------------------------------------------------

-- tenants: JSON list, absent for an administrator of all; groups: JSON list.
CREATE TABLE account (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    groups TEXT NOT NULL,
    tenants TEXT,
    is_admin SMALLINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Only digests: who reads the database cannot sign in with it.
CREATE TABLE session (
    token TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    guard TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account);

CREATE TABLE host_key (
    tenant TEXT NOT NULL,
    host TEXT NOT NULL,
    port BIGINT NOT NULL,
    key TEXT NOT NULL,
    pinned_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, host, port)
);
