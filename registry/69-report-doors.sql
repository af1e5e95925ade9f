-- Reports: the two functions that people call, in the schema of expstat, where they are found without a prefix.

-- What runs at CREATE EXTENSION looks names up in pg_catalog only.
DO $doors$
DECLARE
	path text := pg_catalog.current_setting('search_path');
	core name;
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	SELECT n.nspname INTO core
	FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace WHERE x.extname = 'expstat';
	EXECUTE format($create$
		CREATE FUNCTION %1$I.expstat_report(experiment text) RETURNS text
		LANGUAGE sql STABLE
		RETURN @extschema@.report(experiment);
		COMMENT ON FUNCTION %1$I.expstat_report(text) IS
		'an experiment''s report, one HTML page: psql -Atc "select expstat_report(''x'')" > x.html';

		CREATE FUNCTION %1$I.expstat_report_text(experiment text, OUT report text) RETURNS SETOF text
		LANGUAGE sql STABLE
		BEGIN ATOMIC
			SELECT t FROM @extschema@.report_text(experiment) AS t;
		END;
		COMMENT ON FUNCTION %1$I.expstat_report_text(text) IS 'an experiment''s report for a terminal, a line a row';
	$create$, core);
	PERFORM pg_catalog.set_config('search_path', path, true);
END
$doors$;
