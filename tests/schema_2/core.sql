BEGIN TRANSACTION;
CREATE TABLE daily_devices (
    day INTEGER NOT NULL, device TEXT NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (day, device)
) STRICT, WITHOUT ROWID;
INSERT INTO "daily_devices" VALUES(1795305600000,'a4:83:e7:00:00:01',4000,300,1);
CREATE TABLE daily_peers (
    day INTEGER NOT NULL, peer ANY NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (day, peer)
) STRICT, WITHOUT ROWID;
INSERT INTO "daily_peers" VALUES(1795305600000,1572395042,4000,300,1);
CREATE TABLE daily_ports (
    day INTEGER NOT NULL, port INTEGER NOT NULL,    -- protocol << 16 | port
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (day, port)
) STRICT, WITHOUT ROWID;
INSERT INTO "daily_ports" VALUES(1795305600000,393659,4000,300,1);
CREATE TABLE devices (
    device TEXT PRIMARY KEY,        -- the MAC, or the address where no MAC can be known
    mac TEXT, ip TEXT, ips TEXT NOT NULL, hostname TEXT, vendor TEXT, name TEXT,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, status TEXT NOT NULL, random_mac INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, sources TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "devices" VALUES('2001:db8::1',NULL,'2001:db8::1','["2001:db8::1"]','laptop',NULL,NULL,1795435200000,1795435200000,'online',0,0,0,'["json"]');
INSERT INTO "devices" VALUES('a4:83:e7:00:00:01','a4:83:e7:00:00:01','192.168.1.5','["192.168.1.5", "2001:db8::1"]','laptop',NULL,'Ünal''s läptop',1795435200000,1795435200000,'online',0,12000,900,'["json"]');
INSERT INTO "devices" VALUES('a4:83:e7:00:00:02','a4:83:e7:00:00:02','192.168.1.6','["192.168.1.6"]',NULL,'Example',NULL,1795435200000,1795435200000,'offline',0,0,0,'["json"]');
CREATE TABLE hourly_devices (
    hour INTEGER NOT NULL, device TEXT NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (hour, device)
) STRICT, WITHOUT ROWID;
INSERT INTO "hourly_devices" VALUES(1795348800000,'a4:83:e7:00:00:01',4000,300,1);
INSERT INTO "hourly_devices" VALUES(1795435200000,'',4000,300,1);
INSERT INTO "hourly_devices" VALUES(1795435200000,'2001:db8::1',4000,300,1);
INSERT INTO "hourly_devices" VALUES(1795435200000,'a4:83:e7:00:00:01',4000,300,1);
INSERT INTO "hourly_devices" VALUES(1795435200000,'a4:83:e7:00:00:02',4000,300,1);
CREATE TABLE hourly_peers (
    hour INTEGER NOT NULL, peer ANY NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (hour, peer)
) STRICT, WITHOUT ROWID;
INSERT INTO "hourly_peers" VALUES(1795348800000,1572395042,4000,300,1);
INSERT INTO "hourly_peers" VALUES(1795435200000,1572395042,12000,900,3);
INSERT INTO "hourly_peers" VALUES(1795435200000,4294967295,4000,300,1);
CREATE TABLE hourly_ports (
    hour INTEGER NOT NULL, port INTEGER NOT NULL,    -- protocol << 16 | port
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (hour, port)
) STRICT, WITHOUT ROWID;
INSERT INTO "hourly_ports" VALUES(1795348800000,393659,4000,300,1);
INSERT INTO "hourly_ports" VALUES(1795435200000,393659,8000,600,2);
INSERT INTO "hourly_ports" VALUES(1795435200000,1114555,4000,300,1);
INSERT INTO "hourly_ports" VALUES(1795435200000,13107643,4000,300,1);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('daily_to','1795305600000');
INSERT INTO "meta" VALUES('pruned_to','1795435200000');
INSERT INTO "meta" VALUES('rolled','7354102587392004');
INSERT INTO "meta" VALUES('settled','7354102587392004');
INSERT INTO "meta" VALUES('totals_from','0');
INSERT INTO "meta" VALUES('totals_mark','7354102587392004');
INSERT INTO "meta" VALUES('totals_token','1cb7106c10204f33');
INSERT INTO "meta" VALUES('totals_writing','197185716295904');
CREATE TABLE rollups (
    bucket INTEGER NOT NULL,        -- the millisecond in which its ten minutes began
    device TEXT NOT NULL,           -- '' for traffic of no known device
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (bucket, device)
) STRICT, WITHOUT ROWID;
INSERT INTO "rollups" VALUES(1795348800000,'a4:83:e7:00:00:01',4000,300,1);
INSERT INTO "rollups" VALUES(1795435200000,'',4000,300,1);
INSERT INTO "rollups" VALUES(1795435200000,'2001:db8::1',4000,300,1);
INSERT INTO "rollups" VALUES(1795435200000,'a4:83:e7:00:00:01',4000,300,1);
INSERT INTO "rollups" VALUES(1795435200000,'a4:83:e7:00:00:02',4000,300,1);
CREATE TABLE threats (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, severity TEXT NOT NULL, device TEXT, target TEXT,
    description TEXT NOT NULL, recommendation TEXT, evidence TEXT NOT NULL,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL, status TEXT NOT NULL
) STRICT;
INSERT INTO "threats" VALUES(7,'port_scan','high','a4:83:e7:00:00:01',NULL,'it scanned',NULL,'{"ports": [1, 2]}',1795435200000,1795435200000,1,'dismissed');
CREATE UNIQUE INDEX threat_identity
    ON threats (kind, coalesce(device, ''), coalesce(target, ''));
CREATE VIEW hourly_readable AS
SELECT hour, 'device' AS kind, nullif(device, '') AS name, bytes_in, bytes_out, flows FROM hourly_devices UNION ALL
SELECT hour, 'peer', CASE WHEN peer <> x'' THEN CASE WHEN typeof(peer) = 'integer' THEN (peer >> 24 & 255)||'.'||(peer >> 16 & 255)||'.'||(peer >> 8 & 255)||'.'||(peer >> 0 & 255)
        WHEN lower(hex(peer)) LIKE '00000000000000000000ffff%' THEN '::ffff:'||((instr('123456789abcdef', substr(lower(hex(peer)), 25, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 26, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 27, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 28, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 29, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 30, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 31, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 32, 1))))
        WHEN lower(hex(peer)) LIKE '000000000000000000000000%' AND substr(lower(hex(peer)), 25, 4) <> '0000' THEN '::'||((instr('123456789abcdef', substr(lower(hex(peer)), 25, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 26, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 27, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 28, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 29, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 30, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 31, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 32, 1))))
        ELSE (SELECT CASE WHEN v LIKE '%::' THEN v ELSE rtrim(v, ':') END FROM (SELECT ltrim(substr(u, 1, 2), CASE WHEN substr(u, 1, 2) = '::' THEN '' ELSE ':' END) || substr(u, 3) AS v FROM (SELECT CASE WHEN instr(t, ':0:0:0:0:0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:0:0:0:0:') + 16) WHEN instr(t, ':0:0:0:0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:0:0:0:') + 14) WHEN instr(t, ':0:0:0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:0:0:') + 12) WHEN instr(t, ':0:0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:0:') + 10) WHEN instr(t, ':0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:') + 8) WHEN instr(t, ':0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:')) || substr(t, instr(t, ':0:0:0:') + 6) WHEN instr(t, ':0:0:') THEN substr(t, 1, instr(t, ':0:0:')) || substr(t, instr(t, ':0:0:') + 4) ELSE t END AS u FROM (SELECT ':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 1, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 5, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 9, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 13, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 17, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 21, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 25, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 29, 4), '0'), ''), '0')||':' AS t)))) END END, bytes_in, bytes_out, flows FROM hourly_peers UNION ALL
SELECT hour, 'port', CASE WHEN port >= 0 THEN
    CASE port >> 16 WHEN 1 THEN 'icmp' WHEN 2 THEN 'igmp' WHEN 4 THEN 'ipip' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 33 THEN 'dccp' WHEN 41 THEN 'ipv6' WHEN 47 THEN 'gre' WHEN 50 THEN 'esp' WHEN 51 THEN 'ah' WHEN 58 THEN 'ipv6-icmp' WHEN 89 THEN 'ospf' WHEN 103 THEN 'pim' WHEN 112 THEN 'vrrp' WHEN 132 THEN 'sctp' WHEN 136 THEN 'udplite' ELSE CAST(port >> 16 AS TEXT) END || '/' || (port & 65535) END,
    bytes_in, bytes_out, flows FROM hourly_ports;
CREATE VIEW daily_readable AS
SELECT day, 'device' AS kind, nullif(device, '') AS name, bytes_in, bytes_out, flows FROM daily_devices UNION ALL
SELECT day, 'peer', CASE WHEN peer <> x'' THEN CASE WHEN typeof(peer) = 'integer' THEN (peer >> 24 & 255)||'.'||(peer >> 16 & 255)||'.'||(peer >> 8 & 255)||'.'||(peer >> 0 & 255)
        WHEN lower(hex(peer)) LIKE '00000000000000000000ffff%' THEN '::ffff:'||((instr('123456789abcdef', substr(lower(hex(peer)), 25, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 26, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 27, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 28, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 29, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 30, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 31, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 32, 1))))
        WHEN lower(hex(peer)) LIKE '000000000000000000000000%' AND substr(lower(hex(peer)), 25, 4) <> '0000' THEN '::'||((instr('123456789abcdef', substr(lower(hex(peer)), 25, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 26, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 27, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 28, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 29, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 30, 1))))||'.'||((instr('123456789abcdef', substr(lower(hex(peer)), 31, 1))) * 16 + (instr('123456789abcdef', substr(lower(hex(peer)), 32, 1))))
        ELSE (SELECT CASE WHEN v LIKE '%::' THEN v ELSE rtrim(v, ':') END FROM (SELECT ltrim(substr(u, 1, 2), CASE WHEN substr(u, 1, 2) = '::' THEN '' ELSE ':' END) || substr(u, 3) AS v FROM (SELECT CASE WHEN instr(t, ':0:0:0:0:0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:0:0:0:0:') + 16) WHEN instr(t, ':0:0:0:0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:0:0:0:') + 14) WHEN instr(t, ':0:0:0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:0:0:') + 12) WHEN instr(t, ':0:0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:0:') + 10) WHEN instr(t, ':0:0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:0:')) || substr(t, instr(t, ':0:0:0:0:') + 8) WHEN instr(t, ':0:0:0:') THEN substr(t, 1, instr(t, ':0:0:0:')) || substr(t, instr(t, ':0:0:0:') + 6) WHEN instr(t, ':0:0:') THEN substr(t, 1, instr(t, ':0:0:')) || substr(t, instr(t, ':0:0:') + 4) ELSE t END AS u FROM (SELECT ':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 1, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 5, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 9, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 13, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 17, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 21, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 25, 4), '0'), ''), '0')||':'||coalesce(nullif(ltrim(substr(lower(hex(peer)), 29, 4), '0'), ''), '0')||':' AS t)))) END END, bytes_in, bytes_out, flows FROM daily_peers UNION ALL
SELECT day, 'port', CASE WHEN port >= 0 THEN
    CASE port >> 16 WHEN 1 THEN 'icmp' WHEN 2 THEN 'igmp' WHEN 4 THEN 'ipip' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 33 THEN 'dccp' WHEN 41 THEN 'ipv6' WHEN 47 THEN 'gre' WHEN 50 THEN 'esp' WHEN 51 THEN 'ah' WHEN 58 THEN 'ipv6-icmp' WHEN 89 THEN 'ospf' WHEN 103 THEN 'pim' WHEN 112 THEN 'vrrp' WHEN 132 THEN 'sctp' WHEN 136 THEN 'udplite' ELSE CAST(port >> 16 AS TEXT) END || '/' || (port & 65535) END,
    bytes_in, bytes_out, flows FROM daily_ports;
COMMIT;
PRAGMA user_version = 2;
