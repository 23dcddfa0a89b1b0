-- Who there is, who belongs where, what each may do, and what is done to many at once. No instance's commit writes here.

ALTER TABLE account ADD COLUMN first_name TEXT;
ALTER TABLE account ADD COLUMN last_name TEXT;
ALTER TABLE account ADD COLUMN email TEXT;
-- 1: sees every tenant, also those to come
ALTER TABLE account ADD COLUMN every_tenant SMALLINT NOT NULL DEFAULT 0;
UPDATE account SET every_tenant = 1 WHERE tenants IS NULL;

-- A group of the dialect, under a name that is no word of SQL.
CREATE TABLE team (
    id TEXT PRIMARY KEY,
    name TEXT,
    kind TEXT
);

CREATE TABLE tenant (
    id TEXT PRIMARY KEY,
    name TEXT
);

-- These two hold what account.groups and account.tenants held; programs before this step still read those.
CREATE TABLE team_member (
    team TEXT NOT NULL,
    account TEXT NOT NULL,
    PRIMARY KEY (account, team)
) /*sqlite: WITHOUT ROWID */;
-- the members of a team
CREATE INDEX team_member_team ON team_member (team);

CREATE TABLE tenant_member (
    tenant TEXT NOT NULL,
    is_team SMALLINT NOT NULL,
    member TEXT NOT NULL,
    PRIMARY KEY (member, is_team, tenant)
) /*sqlite: WITHOUT ROWID */;
-- the members of a tenant
CREATE INDEX tenant_member_tenant ON tenant_member (tenant);

INSERT INTO team_member (team, account)
SELECT g.value, a.name FROM account a, /*sqlite: json_each(a.groups) g */ /*postgres: json_array_elements_text(a.groups::json) AS g(value) */;
INSERT INTO team (id, name, kind) SELECT DISTINCT team, team, 'WORKFLOW' FROM team_member;
INSERT INTO tenant_member (tenant, is_team, member)
SELECT g.value, 0, a.name FROM account a, /*sqlite: json_each(a.tenants) g */ /*postgres: json_array_elements_text(a.tenants::json) AS g(value) */;
INSERT INTO tenant (id, name) SELECT DISTINCT tenant, tenant FROM tenant_member;

-- kind: 0 for all, 1 grants, 2 revokes. Of user and team one is set, for all neither. resource: the dialect's number.
-- permissions: a JSON list of names.
CREATE TABLE authorization_rule (
    id TEXT PRIMARY KEY,
    kind SMALLINT NOT NULL,
    account TEXT,
    team TEXT,
    resource SMALLINT NOT NULL,
    object TEXT NOT NULL,
    permissions TEXT NOT NULL
);
-- what is said of somebody, and of all
CREATE INDEX authorization_rule_account ON authorization_rule (account, team);
-- one rule of a kind for somebody and an object
CREATE UNIQUE INDEX authorization_rule_one
    ON authorization_rule (kind, COALESCE(account, ''), COALESCE(team, ''), resource, object);

-- Changes with each change of the tables above: nodes keep what they have read until then.
CREATE TABLE identity_change (
    id SMALLINT PRIMARY KEY,
    number BIGINT NOT NULL
);

-- Work on many objects, item by item, in somebody's name. body: JSON, what is done to each. holder: the node that is at it,
-- until then.
CREATE TABLE batch (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    creator TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    total BIGINT NOT NULL,
    suspended SMALLINT NOT NULL,
    body TEXT NOT NULL,
    holder TEXT,
    held_until BIGINT
);
-- what is to do, oldest first
CREATE INDEX batch_open ON batch (created_at) WHERE ended_at IS NULL;

-- state: 0 open, 1 done, 2 failed.
CREATE TABLE batch_item (
    batch TEXT NOT NULL,
    number BIGINT NOT NULL,
    subject TEXT NOT NULL,
    state SMALLINT NOT NULL,
    message TEXT,
    PRIMARY KEY (batch, number)
) /*sqlite: WITHOUT ROWID */;
-- how far each is
CREATE INDEX batch_item_state ON batch_item (batch, state, number);
