-- The extension installs in any schema, and every public object is commented.
CREATE EXTENSION expstat;
SELECT extversion FROM pg_extension WHERE extname = 'expstat';

CREATE SCHEMA stats;
ALTER EXTENSION expstat SET SCHEMA stats;
SELECT (stats.welch_t(y, v)).diff FROM (VALUES (1, 'a'), (2, 'b'), (4, 'b')) t (y, v);
ALTER EXTENSION expstat SET SCHEMA public;

SELECT pg_describe_object(d.classid, d.objid, 0) AS without_comment
FROM pg_depend d
LEFT JOIN pg_description c ON c.classoid = d.classid AND c.objoid = d.objid AND c.objsubid = 0
WHERE d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'expstat')
  AND d.deptype = 'e' AND d.classid IN ('pg_proc'::regclass, 'pg_type'::regclass)
  AND c.description IS NULL
  AND pg_describe_object(d.classid, d.objid, 0) !~ '_(in|out|send|recv)\(|\[\]$'
ORDER BY 1;

-- All aggregates are parallel safe, and all can be combined but those that sort or keep their rows.
SELECT p.oid::regprocedure AS aggregate, proparallel, aggcombinefn::regproc
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'expstat')
ORDER BY p.oid::regprocedure::text COLLATE "C";
