BEGIN TRANSACTION;
CREATE TABLE devices (
    device TEXT PRIMARY KEY,        -- the MAC, or the address where no MAC can be known
    mac TEXT, ip TEXT, ips TEXT NOT NULL, hostname TEXT, vendor TEXT, name TEXT,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, status TEXT NOT NULL, random_mac INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, sources TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "devices" VALUES('2001:db8::1',NULL,'2001:db8::1','["2001:db8::1"]','laptop',NULL,NULL,1795435200000,1795435200000,'online',0,0,0,'["json"]');
INSERT INTO "devices" VALUES('a4:83:e7:00:00:01','a4:83:e7:00:00:01','192.168.1.5','["192.168.1.5", "2001:db8::1"]','laptop',NULL,'Ünal''s läptop',1795435200000,1795435200000,'online',0,12000,900,'["json"]');
INSERT INTO "devices" VALUES('a4:83:e7:00:00:02','a4:83:e7:00:00:02','192.168.1.6','["192.168.1.6"]',NULL,NULL,NULL,1795435200000,1795435200000,'offline',0,0,0,'["json"]');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('rolled','7354102587392004');
INSERT INTO "meta" VALUES('settled','7353748684800002');
CREATE TABLE rollups (
    bucket INTEGER NOT NULL,        -- the millisecond in which its ten minutes began
    device TEXT NOT NULL,           -- '' for traffic of no known device
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (bucket, device)
) STRICT, WITHOUT ROWID;
INSERT INTO "rollups" VALUES(1795348800000,'a4:83:e7:00:00:01',8000,600,2);
INSERT INTO "rollups" VALUES(1795435200000,'',1,2,3);
INSERT INTO "rollups" VALUES(1795435200000,'a4:83:e7:00:00:01',4000,300,1);
CREATE TABLE threats (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, severity TEXT NOT NULL, device TEXT, target TEXT,
    description TEXT NOT NULL, recommendation TEXT, evidence TEXT NOT NULL,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL, status TEXT NOT NULL
) STRICT;
INSERT INTO "threats" VALUES(7,'port_scan','high','a4:83:e7:00:00:01',NULL,'it scanned',NULL,'{"ports": [1, 2]}',1795435200000,1795435200000,1,'dismissed');
CREATE UNIQUE INDEX threat_identity
    ON threats (kind, coalesce(device, ''), coalesce(target, ''));
COMMIT;
PRAGMA user_version = 1;
