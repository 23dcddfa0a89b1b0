-- What people keep beside the engine's state: comments, attachments, saved queries. No instance's commit writes here.

-- About a task, or about the instance itself: then without token.
CREATE TABLE comment (
    id TEXT PRIMARY KEY,
    instance BIGINT NOT NULL,
    token BIGINT,
    author TEXT NOT NULL,
    at BIGINT NOT NULL,
    message TEXT NOT NULL
);
-- the comments of a task or an instance, oldest first
CREATE INDEX comment_instance ON comment (instance, at);

-- A file, or the address of one.
CREATE TABLE attachment (
    id TEXT PRIMARY KEY,
    instance BIGINT NOT NULL,
    token BIGINT NOT NULL,
    author TEXT NOT NULL,
    at BIGINT NOT NULL,
    name TEXT,
    description TEXT,
    kind TEXT,
    url TEXT,
    bytes BYTEA
);
-- the attachments of a task
CREATE INDEX attachment_instance ON attachment (instance, token);

-- query, properties: JSON. Shared ones were made by an account that sees every tenant; others are their maker's only.
CREATE TABLE saved_filter (
    id TEXT PRIMARY KEY,
    maker TEXT NOT NULL,
    shared SMALLINT NOT NULL,
    resource TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT,
    query TEXT NOT NULL,
    properties TEXT NOT NULL
);
