-- The last thing that CREATE EXTENSION does, for expstat and for expstat_registry: see what the names were bound to.

-- A script's names are looked up in pg_catalog, then in the schema that the extension goes to.  Whoever may create
-- there could have put a function or an operator in it that fits a call better than the one that was meant.  For
-- bodies of SQL (BEGIN ATOMIC), views, policies, constraints and defaults the catalog knows what they were bound
-- to: to what PostgreSQL brings and to members of these extensions, or else nothing is installed.  Bodies of
-- PL/pgSQL name the registry's functions with their schema, where nobody else may have one of that name.
DO $bound$
DECLARE
	path text := pg_catalog.current_setting('search_path');
	strangers text;
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	WITH RECURSIVE ours (classid, objid) AS (
		SELECT d.classid, d.objid
		FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND x.extname IN ('expstat', 'expstat_registry')
		UNION
		SELECT d.classid, d.objid
		FROM ours JOIN pg_depend AS d ON d.refclassid = ours.classid AND d.refobjid = ours.objid
		WHERE d.deptype IN ('a', 'i')
	), used (classid, objid) AS (
		SELECT d.refclassid, d.refobjid
		FROM ours JOIN pg_depend AS d ON d.classid = ours.classid AND d.objid = ours.objid
		WHERE d.deptype IN ('n', 'a', 'i')
			  AND (pg_identify_object(d.refclassid, d.refobjid, 0)).schema <> 'pg_catalog'
		UNION
		SELECT 'pg_proc'::regclass, p.oid
		FROM pg_proc AS p
		JOIN pg_extension AS x ON x.extnamespace = p.pronamespace AND x.extname = 'expstat_registry'
		WHERE p.proname IN (SELECT q.proname FROM pg_proc AS q JOIN ours ON ours.objid = q.oid
							WHERE ours.classid = 'pg_proc'::regclass)
	)
	SELECT string_agg(pg_describe_object(used.classid, used.objid, 0), ', ' ORDER BY used.classid, used.objid) INTO strangers
	FROM used
	WHERE NOT EXISTS (SELECT FROM ours WHERE ours.classid = used.classid AND ours.objid = used.objid);
	IF strangers IS NOT NULL THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('the extension would call what is not its own: %s', strangers),
			HINT = 'Install it in a schema in which nobody else may create, or drop these.';
	END IF;
	PERFORM pg_catalog.set_config('search_path', path, true);
END
$bound$;
