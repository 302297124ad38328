-- A ledger of schema 1: a run in a project and a day; one request settled above its reservation, one
-- in flight with its agent and its day, one released.
PRAGMA journal_mode = WAL;
CREATE TABLE scopes (
    id INTEGER PRIMARY KEY,
    parent INTEGER,
    path TEXT NOT NULL UNIQUE,
    limits TEXT NOT NULL,                 -- JSON, dollars as decimal strings
    paused INTEGER NOT NULL,
    settled_usd_pico TEXT NOT NULL,
    settled_billed_tokens INTEGER NOT NULL,
    settled_output_tokens INTEGER NOT NULL,
    settled_requests INTEGER NOT NULL,
    reserved_usd_pico TEXT NOT NULL,
    reserved_billed_tokens INTEGER NOT NULL,
    reserved_output_tokens INTEGER NOT NULL,
    reserved_requests INTEGER NOT NULL,
    agents_settled INTEGER NOT NULL,
    agents_reserved INTEGER NOT NULL,
    warned_per_mille TEXT NOT NULL        -- one number per unit
) STRICT;
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,                   -- scopes it is charged to, innermost first
    windows TEXT NOT NULL,                -- those of them that are calendar windows
    agent TEXT,
    end INTEGER NOT NULL,                 -- 0 in flight, 1 closed, 2 released
    usd_pico TEXT NOT NULL,
    billed_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL
) STRICT;
CREATE INDEX attempts_in_flight ON attempts (agent) WHERE end = 0;
CREATE TABLE counted (
    agent TEXT NOT NULL,
    scope INTEGER NOT NULL,
    PRIMARY KEY (agent, scope)
) STRICT, WITHOUT ROWID;
CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY,         -- from 0, without gaps
    at_milliseconds INTEGER NOT NULL,
    kind TEXT NOT NULL,
    attempt INTEGER,                      -- its number
    scope INTEGER,                        -- the innermost one
    agent TEXT,
    usd_pico TEXT,
    billed_tokens INTEGER,
    output_tokens INTEGER,
    requests INTEGER,
    details TEXT,                         -- JSON, what only this kind has
    note TEXT
) STRICT;
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    started_at_milliseconds INTEGER NOT NULL,
    ended_at_milliseconds INTEGER,
    status TEXT NOT NULL,
    hashes TEXT NOT NULL,                 -- JSON
    plan TEXT,                            -- JSON
    report TEXT                           -- JSON
) STRICT;
CREATE INDEX runs_by_start ON runs (started_at_milliseconds);
INSERT INTO scopes VALUES(0,NULL,'project shop','{"usd":null,"billed_tokens":null,"output_tokens":null,"requests":null,"agents":null}',0,'45',5,1,1,'20',6,2,1,1,1,'0 0 0 0 0');
INSERT INTO scopes VALUES(1,0,'project shop / run 7','{"usd":"0.0000000001","billed_tokens":null,"output_tokens":null,"requests":null,"agents":3}',0,'45',5,1,1,'20',6,2,1,1,1,'0 0 0 0 0');
INSERT INTO scopes VALUES(2,NULL,'day 2026-11-24','{"usd":"0.00000000009","billed_tokens":null,"output_tokens":null,"requests":null,"agents":null}',0,'45',5,1,1,'20',6,2,1,1,1,'0 0 0 0 0');
INSERT INTO attempts VALUES(1,'a','1 0 2','2','x',1,'45',5,1,1);
INSERT INTO attempts VALUES(2,'b','1 0 2','2','y',0,'20',6,2,1);
INSERT INTO attempts VALUES(3,'c','1 0','','z',2,'0',0,0,0);
INSERT INTO counted VALUES('x',0);
INSERT INTO counted VALUES('x',1);
INSERT INTO counted VALUES('x',2);
INSERT INTO entries VALUES(0,1795521600250,'open',NULL,0,NULL,NULL,NULL,NULL,NULL,'{"name":"project shop"}',NULL);
INSERT INTO entries VALUES(1,1795521600250,'limit',NULL,0,NULL,NULL,NULL,NULL,NULL,'{"limits":{"usd":null,"billed_tokens":null,"output_tokens":null,"requests":null,"agents":null}}',NULL);
INSERT INTO entries VALUES(2,1795521600250,'open',NULL,1,NULL,NULL,NULL,NULL,NULL,'{"parent":0,"name":"run 7"}',NULL);
INSERT INTO entries VALUES(3,1795521600250,'limit',NULL,1,NULL,NULL,NULL,NULL,NULL,'{"limits":{"usd":"0.0000000001","billed_tokens":null,"output_tokens":null,"requests":null,"agents":3}}',NULL);
INSERT INTO entries VALUES(4,1795521600250,'open',NULL,2,NULL,NULL,NULL,NULL,NULL,'{"name":"day 2026-11-24"}',NULL);
INSERT INTO entries VALUES(5,1795521600250,'limit',NULL,2,NULL,NULL,NULL,NULL,NULL,'{"limits":{"usd":"0.00000000009","billed_tokens":null,"output_tokens":null,"requests":null,"agents":null}}',NULL);
INSERT INTO entries VALUES(6,1795521600250,'reserve',1,1,'x','40',6,2,1,'{"windows":[2]}',NULL);
INSERT INTO entries VALUES(7,1795521600250,'settle',1,1,'x','45',5,1,1,NULL,NULL);
INSERT INTO entries VALUES(8,1795521600250,'overrun',1,1,'x','5',0,0,0,NULL,NULL);
INSERT INTO entries VALUES(9,1795521600250,'reserve',2,1,'y','20',6,2,1,'{"windows":[2]}',NULL);
INSERT INTO entries VALUES(10,1795521600250,'reserve',3,1,'z','10',6,2,1,NULL,NULL);
INSERT INTO entries VALUES(11,1795521600250,'release',3,1,'z',NULL,NULL,NULL,NULL,NULL,NULL);
PRAGMA application_id = 1718384994; -- flyb
PRAGMA user_version = 1;
