-- The bytes of a value on the disk: a bytea that is aligned as our types are, so that a cast changes nothing.
CREATE TYPE disk;
CREATE FUNCTION disk_in(cstring) RETURNS disk LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION disk_out(disk) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
CREATE TYPE disk (INPUT = disk_in, OUTPUT = disk_out, ALIGNMENT = double, STORAGE = extended);
CREATE CAST (moments AS disk) WITHOUT FUNCTION;
CREATE CAST (disk AS moments) WITHOUT FUNCTION;
CREATE CAST (bootstrap AS disk) WITHOUT FUNCTION;
CREATE CAST (disk AS bootstrap) WITHOUT FUNCTION;
