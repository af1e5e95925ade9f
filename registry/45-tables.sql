-- The recommended tables for large data: they belong to who makes them, and the registry refers to them.

CREATE FUNCTION add_experiment_partition(assignment regclass, experiment text) RETURNS regclass
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	schema_name name;
	table_name name;
	partition name;
BEGIN
	SELECT n.nspname, c.relname INTO schema_name, table_name
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = assignment;
	-- An id may be longer than a table's name.
	partition := format('%s_%s', left(table_name, 20), CASE WHEN octet_length(experiment) <= 40 THEN experiment ELSE md5(experiment) END);
	EXECUTE format('CREATE TABLE %I.%I PARTITION OF %s FOR VALUES IN (%L)', schema_name, partition, assignment, experiment);
	RETURN format('%I.%I', schema_name, partition)::regclass;
END
$$;
COMMENT ON FUNCTION add_experiment_partition(regclass, text) IS
'makes an experiment''s own partition of the table assignment';

CREATE FUNCTION add_month_partitions(kpi_outcome regclass, first_month date, months integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = ISO AS $$
DECLARE
	schema_name name;
	table_name name;
	month_start date;
BEGIN
	IF months IS NULL OR months < 1 OR months > 1200 OR first_month IS NULL OR NOT isfinite(first_month) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('cannot make partitions for %s months from %s on', coalesce(months::text, 'NULL'),
							 coalesce(first_month::text, 'NULL')),
			HINT = 'Give a first month and a number of months from 1 to 1200.';
	END IF;
	SELECT n.nspname, c.relname INTO schema_name, table_name
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = kpi_outcome;
	FOR month_start IN
		SELECT date_trunc('month', first_month::timestamp)::date + make_interval(months => i)
		FROM generate_series(0, months - 1) AS i
	LOOP
		EXECUTE format('CREATE TABLE %I.%I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)', schema_name,
					   format('%s_%s', left(table_name, 50), to_char(month_start, 'YYYY_MM')), kpi_outcome,
					   month_start, month_start + interval '1 month');
	END LOOP;
	RETURN months;
END
$$;
COMMENT ON FUNCTION add_month_partitions(regclass, date, integer) IS
'makes monthly partitions of the table kpi_outcome; gives their number';

CREATE FUNCTION create_tables(
	schema_name regnamespace,
	first_month date DEFAULT current_date,
	months integer DEFAULT 12
) RETURNS SETOF regclass
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	EXECUTE format(
		'CREATE TABLE %1$s.assignment ('
		'experiment text, unit text, variant text NOT NULL, exposed_at timestamptz NOT NULL DEFAULT now(), '
		'PRIMARY KEY (experiment, unit)) PARTITION BY LIST (experiment)', schema_name);
	EXECUTE format('CREATE TABLE %1$s.assignment_default PARTITION OF %1$s.assignment DEFAULT', schema_name);
	EXECUTE format(
		'COMMENT ON TABLE %s.assignment IS ''units of experiments: variant and time of the first exposure, one row per unit and experiment''',
		schema_name);
	EXECUTE format(
		'CREATE TABLE %1$s.kpi_outcome ('
		'day date, metric text, unit text, value float8 NOT NULL, '
		'PRIMARY KEY (metric, unit, day)) PARTITION BY RANGE (day)', schema_name);
	EXECUTE format('CREATE TABLE %1$s.kpi_outcome_default PARTITION OF %1$s.kpi_outcome DEFAULT', schema_name);
	EXECUTE format(
		'COMMENT ON TABLE %s.kpi_outcome IS ''what each unit did on each day, by metric: one row per metric, unit and day''',
		schema_name);
	PERFORM @extschema@.add_month_partitions(format('%s.kpi_outcome', schema_name)::regclass, first_month, months);
	RETURN NEXT format('%s.assignment', schema_name)::regclass;
	RETURN NEXT format('%s.kpi_outcome', schema_name)::regclass;
END
$$;
COMMENT ON FUNCTION create_tables(regnamespace, date, integer) IS
'makes the recommended tables: assignment, partitioned by experiment, and kpi_outcome, partitioned by month';
