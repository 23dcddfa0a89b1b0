-- What programs sign in with (rest.md 10). digest: of the secret, which is kept nowhere. tenants and rights: JSON lists that
-- narrow what the account may; NULL: not narrowed. A token that is revoked is deleted.
CREATE TABLE api_token (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    tenants TEXT,
    rights TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at BIGINT
);
-- whose it is, at each request
CREATE UNIQUE INDEX api_token_digest ON api_token (digest);
-- all of an account
CREATE INDEX api_token_account ON api_token (account);
