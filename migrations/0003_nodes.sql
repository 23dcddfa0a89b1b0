-- Several partitions on several nodes: who lives, what goes from one to another, and what was answered elsewhere.

-- life: of the process that has this name now; a later one of the same name ends it. seen_at: by the database's clock.
CREATE TABLE node (
    name TEXT PRIMARY KEY,
    life TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Parcels for a partition until it has opened them. id: unique; negative from a node.
CREATE TABLE inbox (
    partition BIGINT NOT NULL,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (partition, id)
) /*sqlite: WITHOUT ROWID */;

-- What became of requests that a node handed on, until it has read it.
CREATE TABLE outcome (
    node TEXT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (node, number)
) /*sqlite: WITHOUT ROWID */;
