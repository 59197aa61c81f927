-- Keys that let agents and people in over HTTP. `hash` is SHA-256 of the key: a key is 256 random bits, so nobody can guess
-- what was hashed, and no slow hash is needed as for passwords. The key itself is nowhere. `scopes` are words with commas
-- between them. A revocation is a row of its own: a key is never changed, and no revocation is ever taken back.

CREATE TABLE keys (
  id     INTEGER PRIMARY KEY,
  key_id TEXT    NOT NULL UNIQUE,
  name   TEXT    NOT NULL,
  hash   BLOB    NOT NULL UNIQUE,
  agent  TEXT,
  scopes TEXT    NOT NULL,
  ts     INTEGER NOT NULL
) STRICT;
CREATE INDEX keys_name ON keys (name);

CREATE TABLE revocations (
  key INTEGER PRIMARY KEY REFERENCES keys (id),
  ts  INTEGER NOT NULL
) STRICT;

CREATE TRIGGER keys_stay BEFORE UPDATE ON keys BEGIN SELECT raise(ABORT, 'keys is append-only'); END;
CREATE TRIGGER keys_kept BEFORE DELETE ON keys BEGIN SELECT raise(ABORT, 'keys is append-only'); END;
CREATE TRIGGER revocations_stay BEFORE UPDATE ON revocations BEGIN SELECT raise(ABORT, 'revocations is append-only'); END;
CREATE TRIGGER revocations_kept BEFORE DELETE ON revocations BEGIN SELECT raise(ABORT, 'revocations is append-only'); END;
