-- analyze(): from the definitions to stored moments.

CREATE FUNCTION known_experiment(experiment text) RETURNS experiments
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	e @extschema@.experiments;
	known text;
BEGIN
	IF experiment IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = 'experiment must not be null',
			HINT = 'Give the id of a registered experiment.';
	END IF;
	SELECT * INTO e FROM @extschema@.experiments AS k WHERE k.experiment = known_experiment.experiment;
	IF NOT found THEN
		SELECT string_agg(quote_literal(k.experiment), ', ' ORDER BY k.experiment) INTO known
		FROM (SELECT x.experiment FROM @extschema@.experiments AS x ORDER BY x.experiment LIMIT 10) AS k;
		RAISE undefined_object USING
			MESSAGE = format('experiment "%s" is not registered', experiment),
			HINT = coalesce('Experiments that you may see: ' || known || '.',
							'There is none that you may see. @extschema@.register_experiment() makes one.');
	END IF;
	RETURN e;
END
$$;
COMMENT ON FUNCTION known_experiment(text) IS 'the definition of an experiment, or an error';

CREATE FUNCTION analyzed_experiment(experiment text) RETURNS experiments
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	e @extschema@.experiments := @extschema@.known_experiment(experiment);
BEGIN
	IF NOT EXISTS (SELECT FROM @extschema@.analyses AS a WHERE a.experiment = e.experiment) THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('experiment "%s" has not been analyzed', e.experiment),
			HINT = format('Numbers first: SELECT * FROM @extschema@.analyze(%L).', e.experiment);
	END IF;
	RETURN e;
END
$$;
COMMENT ON FUNCTION analyzed_experiment(text) IS 'the definition of an experiment that has results, or an error';

-- What the states of a metric depend on.  Whoever changes the description or the margin need not compute anew.
CREATE FUNCTION metric_definition(e experiments, metric text) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'experiment', to_jsonb(e) - '{name,hypothesis,owner,salt,hashing_method,coverage,assignments,method,alpha,correction,planned_n}'::text[],
		'variants', (SELECT jsonb_agg(v.variant ORDER BY v.variant) FROM variants AS v WHERE v.experiment = (e).experiment),
		'metrics', (SELECT jsonb_agg(to_jsonb(k) - '{description,owner,role,better,margin,relative}'::text[])
					FROM (SELECT k.* FROM metrics AS k WHERE k.metric = metric_definition.metric
						  UNION ALL SELECT p.* FROM metric_parts(metric_definition.metric) AS p) AS k));
END;
COMMENT ON FUNCTION metric_definition(experiments, text) IS 'what the states of a metric depend on';

-- The experiment's own rows of a log that may hold several, as far as the analysis looks.
CREATE FUNCTION create_log_view(view_name text, relation text, columns text[], experiment_column text, experiment text,
								time_column text, as_of timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = ISO AS $$
BEGIN
	EXECUTE format('CREATE TEMP VIEW %I AS SELECT %s FROM %s AS e WHERE true%s%s', view_name,
				   (SELECT string_agg(format('e.%I', c), ', ') FROM (SELECT DISTINCT unnest(columns) AS c) AS c),
				   @extschema@.quoted_relation(relation),
				   ' AND e.' || quote_ident(experiment_column) || '::text = ' || quote_literal(experiment),
				   ' AND (e.' || quote_ident(time_column) || '::timestamptz < ' || quote_literal(as_of)
				   || ') IS NOT FALSE');
END
$$;
COMMENT ON FUNCTION create_log_view(text, text, text[], text, text, text, timestamptz) IS
'a temporary view of an experiment''s own rows';

-- A row per unit, with the type that its id has.
CREATE FUNCTION create_units(e experiments) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = ISO AS $$
DECLARE
	units bigint;
BEGIN
	EXECUTE format(
		'CREATE TEMP TABLE expstat_units AS '
		'SELECT f.unit, (f.first).variant, (f.first).exposed_at, (f.first).exposed_at::date AS cohort%1$s '
		'FROM (SELECT e.%2$I AS unit, %3$s.first_exposure(e.%4$I::text, e.%5$I::timestamptz, %6$L::text[]%7$s) AS first '
		'FROM pg_temp.expstat_exposures AS e WHERE e.%2$I IS NOT NULL%8$s GROUP BY e.%2$I) AS f '
		'WHERE (f.first).variant IN (SELECT v.variant FROM @extschema@.variants AS v WHERE v.experiment = %9$L)%10$s',
		(SELECT coalesce(string_agg(format(', (f.first).segments[%1$s] AS s%1$s', i), '' ORDER BY i), '')
		 FROM generate_subscripts(e.segments, 1) AS i),
		e.unit_column, @extschema@.core_schema(), e.variant_column, e.time_column, '{}',
		(SELECT coalesce(' || ARRAY[' || string_agg(format('e.%I::text', s.name), ', ' ORDER BY s.i) || ']', '')
		 FROM unnest(e.segments) WITH ORDINALITY AS s (name, i)),
		concat(format(' AND e.%I::timestamptz >= ', e.time_column) || quote_literal(e.starts) || '::timestamptz',
			   format(' AND e.%I::timestamptz < ', e.time_column) || quote_literal(e.ends) || '::timestamptz'),
		e.experiment,
		CASE e.crossovers WHEN 'drop' THEN ' AND NOT (f.first).crossover' ELSE '' END);
	GET DIAGNOSTICS units = ROW_COUNT;
	IF EXISTS (SELECT FROM pg_temp.expstat_units AS u WHERE u.exposed_at = '-infinity') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('column "%s" of relation %s is -infinity', e.time_column, e.exposures),
			DETAIL = 'A unit''s days are counted from its first exposure.',
			HINT = 'Repair such rows, or register the experiment with starts, before which no exposure counts.';
	END IF;
	ANALYZE pg_temp.expstat_units;
	RETURN units;
END
$$;
COMMENT ON FUNCTION create_units(experiments) IS 'makes the temporary table of the units of an analysis; gives their number';

CREATE FUNCTION store_health(e experiments) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	DELETE FROM health AS h WHERE h.experiment = (e).experiment;
	INSERT INTO health (experiment, place, check_name, status, value, threshold, detail)
	SELECT (e).experiment, row_number() OVER (), h.check_name, h.status, h.value, h.threshold, h.detail
	FROM (SELECT array_agg(v.variant ORDER BY v.place) AS labels, array_agg(v.weight ORDER BY v.place) AS weights
		  FROM variants AS v WHERE v.experiment = (e).experiment) AS v,
		 exposure_health(to_regclass('pg_temp.expstat_exposures'), (e).unit_column, (e).variant_column, (e).time_column,
						 v.labels, v.weights, (e).salt, (e).coverage, nullif((e).hashing_method, 'farm_fingerprint'),
						 (e).starts, (e).ends, nullif((e).segments, '{}'),
						 to_regclass('pg_temp.expstat_assignments'), crossovers => (e).crossovers) AS h;
END;
COMMENT ON FUNCTION store_health(experiments) IS 'runs and keeps the checks of the exposures';

-- When a cohort's last unit has had its whole window, what its units did is settled.  A month after noon of 30
-- January is later than a month after 31 January: the day counts from where the window's months and days lead.
CREATE FUNCTION cohort_complete(cohort date, metric text, ends timestamptz, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT NOT is_winsorized(cohort_complete.metric)
		   AND (coalesce(as_of >= ends, false)
				OR bool_and(k.metric_window IS NOT NULL AND isfinite(k.metric_window) AND
							 cohort::timestamptz + date_trunc('day', k.metric_window) + interval '1 day'
							 + (k.metric_window - date_trunc('day', k.metric_window)) <= as_of))
	FROM metric_parts(cohort_complete.metric) AS k;
END;
COMMENT ON FUNCTION cohort_complete(date, text, timestamptz, timestamptz) IS
'can a metric''s state of a cohort change no more?';

-- A fingerprint of each day's units, to see whether a state is still theirs.
CREATE FUNCTION create_cohorts() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET datestyle = ISO AS $$
BEGIN
	CREATE TEMP TABLE expstat_cohorts AS
	SELECT u.cohort, bit_xor(hashtextextended(u::text, 0)) AS units_hash
	FROM pg_temp.expstat_units AS u GROUP BY u.cohort;
END
$$;
COMMENT ON FUNCTION create_cohorts() IS 'makes the temporary table of the cohorts of an analysis';

-- What is settled stays: only cohorts that may have changed are computed.
CREATE FUNCTION store_states(e experiments, metric text, as_of timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	open_cohorts date[];
BEGIN
	open_cohorts := ARRAY(
		SELECT c.cohort FROM pg_temp.expstat_cohorts AS c
		WHERE NOT EXISTS (
			SELECT FROM @extschema@.states AS s
			WHERE s.experiment = e.experiment AND s.metric = store_states.metric AND s.cohort = c.cohort
				  AND s.segment IS NULL AND s.complete AND s.units_hash = c.units_hash));
	DELETE FROM @extschema@.states AS s
	WHERE s.experiment = e.experiment AND s.metric = store_states.metric
		  AND (s.cohort = ANY (open_cohorts)
			   OR NOT EXISTS (SELECT FROM pg_temp.expstat_cohorts AS c WHERE c.cohort = s.cohort));
	IF open_cohorts <> '{}' THEN
		EXECUTE format(
			'INSERT INTO @extschema@.states (experiment, metric, cohort, segment, value, m, kind, adjusted, units_hash, complete) '
			'SELECT $4, $5, c.cohort, q.segment, q.value, q.m, k.kind, $6, c.units_hash, '
			'@extschema@.cohort_complete(c.cohort, $5, $7, $8) '
			'FROM (%s) AS q JOIN pg_temp.expstat_cohorts AS c ON c.cohort = q.cohort '
			'JOIN @extschema@.metrics AS k ON k.metric = $5',
			@extschema@.cohort_query(metric, e.segments))
		USING least(as_of, e.ends), (SELECT min(u.exposed_at) FROM pg_temp.expstat_units AS u WHERE u.cohort = ANY (open_cohorts)), open_cohorts, e.experiment, metric, @extschema@.is_adjusted(metric), e.ends, as_of;
	END IF;
END
$$;
COMMENT ON FUNCTION store_states(experiments, text, timestamptz) IS 'computes and keeps a metric''s states by cohort and segment';

-- After the last event nothing changes.
CREATE FUNCTION last_event(metric text, until timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	part @extschema@.metrics;
	part_last timestamptz;
	last timestamptz;
BEGIN
	FOR part IN SELECT * FROM @extschema@.metric_parts(metric) AS k WHERE k.time_column IS NOT NULL LOOP
		EXECUTE format('SELECT max(r.%1$I) FROM %2$s AS r WHERE r.%1$I::timestamptz < $1', part.time_column,
					   @extschema@.quoted_relation(part.relation))
		INTO part_last USING until;
		last := greatest(last, part_last);
	END LOOP;
	RETURN last;
END
$$;
COMMENT ON FUNCTION last_event(text, timestamptz) IS 'time of the last event of a metric before a time; NULL without a time';

CREATE FUNCTION timeline_states(metric text, days date[], until timestamptz) RETURNS TABLE (day date, m moments)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ends timestamptz[] := ARRAY(SELECT least((d + 1)::timestamptz, until) FROM unnest(days) AS d);
BEGIN
	IF days <> '{}' THEN
		RETURN QUERY EXECUTE @extschema@.timeline_query(metric)
		USING ends[cardinality(ends)], (SELECT min(u.exposed_at) FROM pg_temp.expstat_units AS u), ends, days;
	END IF;
END
$$;
COMMENT ON FUNCTION timeline_states(text, date[], timestamptz) IS 'computes a metric''s states at the ends of days, which are in order';

-- Days that are over stay as they were seen.  The state of the last day is that of all cohorts, which is there already.
CREATE FUNCTION store_timeline(e experiments, metric text, as_of timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	looks_until timestamptz := least(as_of, e.ends);
	last_day date := greatest((SELECT max(u.exposed_at) FROM pg_temp.expstat_units AS u),
							  @extschema@.last_event(metric, looks_until))::date;
	days date[] := ARRAY(
		SELECT q.d::date
		FROM generate_series((SELECT min(u.exposed_at) FROM pg_temp.expstat_units AS u)::date::timestamp,
							 last_day::timestamp, '1 day') AS q (d)
		WHERE NOT EXISTS (SELECT FROM @extschema@.timeline AS t
						  WHERE t.experiment = e.experiment AND t.metric = store_timeline.metric
								AND t.day = q.d::date AND t.complete)
		ORDER BY q.d);
BEGIN
	INSERT INTO @extschema@.timeline AS t (experiment, metric, day, m, kind, adjusted, complete)
	SELECT e.experiment, k.metric, q.day, q.m, k.kind, @extschema@.is_adjusted(k.metric), (q.day + 1)::timestamptz <= as_of
	FROM @extschema@.metrics AS k
	CROSS JOIN (SELECT s.day, s.m FROM @extschema@.timeline_states(metric, array_remove(days, last_day), looks_until) AS s
				UNION ALL
				SELECT last_day, @extschema@.experiment_moments(e.experiment, metric) WHERE last_day = ANY (days)) AS q
	WHERE k.metric = store_timeline.metric AND q.m IS NOT NULL
	ON CONFLICT ON CONSTRAINT timeline_pkey DO UPDATE
	SET m = excluded.m, kind = excluded.kind, adjusted = excluded.adjusted, complete = excluded.complete;
END
$$;
COMMENT ON FUNCTION store_timeline(experiments, text, timestamptz) IS
'keeps a metric''s state at the end of each day that is not there yet';

CREATE FUNCTION store_quantiles(e experiments, metric text, as_of timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	k @extschema@.metrics;
	control text := (SELECT v.variant FROM @extschema@.variants AS v WHERE v.experiment = e.experiment AND v.is_control);
	treatment text;
BEGIN
	SELECT * INTO k FROM @extschema@.metrics AS known WHERE known.metric = store_quantiles.metric;
	DELETE FROM @extschema@.quantiles AS q WHERE q.experiment = e.experiment AND q.metric = store_quantiles.metric;
	FOR treatment IN
		SELECT v.variant FROM @extschema@.variants AS v
		WHERE v.experiment = e.experiment AND NOT v.is_control ORDER BY v.place
	LOOP
		EXECUTE format('INSERT INTO @extschema@.quantiles (experiment, metric, segment, value, result) '
					   'SELECT $3, $4, q.segment, q.value, q.result FROM (%s) AS q WHERE (q.result).variant IS NOT NULL',
					   @extschema@.quantile_query(k, e.segments, control, treatment))
		USING least(as_of, e.ends), (SELECT min(u.exposed_at) FROM pg_temp.expstat_units AS u), e.experiment, metric;
	END LOOP;
END
$$;
COMMENT ON FUNCTION store_quantiles(experiments, text, timestamptz) IS 'computes and keeps a quantile''s comparisons';

-- Forgets what was computed by another definition, or later than this analysis looks.
CREATE FUNCTION forget_states(e experiments, definitions jsonb, as_of timestamptz, refresh boolean) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	WITH known AS (
		SELECT d.metric
		FROM analyses AS a, jsonb_each(a.definitions) AS d (metric, definition)
		WHERE a.experiment = (e).experiment AND a.as_of <= forget_states.as_of AND NOT refresh
			  AND d.definition = forget_states.definitions -> d.metric
	), timeline_gone AS (
		DELETE FROM timeline AS t
		WHERE t.experiment = (e).experiment AND t.metric NOT IN (SELECT known.metric FROM known)
	), quantiles_gone AS (
		DELETE FROM quantiles AS q
		WHERE q.experiment = (e).experiment AND q.metric NOT IN (SELECT known.metric FROM known)
	)
	DELETE FROM states AS s
	WHERE s.experiment = (e).experiment AND s.metric NOT IN (SELECT known.metric FROM known);
END;
COMMENT ON FUNCTION forget_states(experiments, jsonb, timestamptz, boolean) IS
'deletes states that are not those of the present definitions';

CREATE FUNCTION check_analysis(e experiments, as_of timestamptz) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	k @extschema@.metrics;
BEGIN
	IF as_of IS NULL OR NOT isfinite(as_of) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('as_of must be a time, not %s', coalesce(as_of::text, 'NULL')),
			HINT = 'Events before it are looked at; now() is the default.';
	END IF;
	PERFORM @extschema@.check_experiment(e);
	FOR k IN
		SELECT m.* FROM @extschema@.experiment_metrics AS em JOIN @extschema@.metrics AS m ON m.metric = em.metric
		WHERE em.experiment = e.experiment
	LOOP
		PERFORM @extschema@.check_metric(k);
	END LOOP;
END
$$;
COMMENT ON FUNCTION check_analysis(experiments, timestamptz) IS
'raises an error if an experiment cannot be analyzed, for relations may have changed since they were registered';

CREATE FUNCTION create_logs(e experiments, as_of timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM @extschema@.create_log_view('expstat_exposures', e.exposures,
		ARRAY[e.unit_column, e.variant_column, e.time_column] || e.segments, e.experiment_column, e.experiment,
		e.time_column, as_of);
	IF e.assignments IS NOT NULL THEN
		PERFORM @extschema@.create_log_view('expstat_assignments', e.assignments, ARRAY[e.unit_column, e.variant_column],
			e.experiment_column, e.experiment, NULL, NULL);
	END IF;
END
$$;
COMMENT ON FUNCTION create_logs(experiments, timestamptz) IS 'makes the temporary views of an analysis';

CREATE FUNCTION drop_temporaries() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DROP TABLE pg_temp.expstat_units, pg_temp.expstat_cohorts;
	DROP VIEW pg_temp.expstat_exposures;
	IF to_regclass('pg_temp.expstat_assignments') IS NOT NULL THEN
		DROP VIEW pg_temp.expstat_assignments;
	END IF;
END
$$;
COMMENT ON FUNCTION drop_temporaries() IS 'drops the temporary views and tables of an analysis';

-- ANALYZE is a reserved word: the function has to be called with its schema.
CREATE FUNCTION @extschema@.analyze(
	experiment text,
	as_of timestamptz DEFAULT now(),
	refresh boolean DEFAULT false,
	timeline boolean DEFAULT true
) RETURNS SETOF experiment_results
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
	e @extschema@.experiments := @extschema@.known_experiment(experiment);
	definitions jsonb;
	units bigint;
	k record;
	noticed timestamptz := clock_timestamp();
BEGIN
	-- One analysis at a time, by the definition as it is when the others are done.  Days are the
	-- experiment's; the session's zone comes back at the end, for the function has one.
	SELECT * INTO e FROM @extschema@.experiments AS locked WHERE locked.experiment = e.experiment FOR UPDATE;
	PERFORM set_config('TimeZone', e.time_zone, true);
	PERFORM @extschema@.check_analysis(e, as_of);
	definitions := (SELECT jsonb_object_agg(em.metric, @extschema@.metric_definition(e, em.metric))
					FROM @extschema@.experiment_metrics AS em WHERE em.experiment = e.experiment);
	PERFORM @extschema@.create_logs(e, as_of);
	units := @extschema@.create_units(e);
	PERFORM @extschema@.create_cohorts();
	PERFORM @extschema@.store_health(e);
	PERFORM @extschema@.forget_states(e, definitions, as_of, refresh);
	FOR k IN
		SELECT em.metric, m.kind, row_number() OVER (ORDER BY em.place) AS i, count(*) OVER () AS metrics
		FROM @extschema@.experiment_metrics AS em JOIN @extschema@.metrics AS m ON m.metric = em.metric
		WHERE em.experiment = e.experiment ORDER BY em.place
	LOOP
		IF clock_timestamp() - noticed > '2 seconds' THEN
			noticed := clock_timestamp();
			RAISE NOTICE 'analyze(%): metric % of %, %', e.experiment, k.i, k.metrics, k.metric;
		END IF;
		IF k.kind = 'quantile' THEN
			PERFORM @extschema@.store_quantiles(e, k.metric, as_of);
		ELSE
			PERFORM @extschema@.store_states(e, k.metric, as_of);
			IF timeline THEN
				PERFORM @extschema@.store_timeline(e, k.metric, as_of);
			END IF;
		END IF;
	END LOOP;
	PERFORM @extschema@.drop_temporaries();
	INSERT INTO @extschema@.analyses AS a (experiment, as_of, analyzed_at, units, definitions)
	VALUES (e.experiment, as_of, clock_timestamp(), units, definitions)
	ON CONFLICT ON CONSTRAINT analyses_pkey DO UPDATE
	SET as_of = excluded.as_of, analyzed_at = excluded.analyzed_at, units = excluded.units, definitions = excluded.definitions;
	RETURN QUERY SELECT * FROM @extschema@.experiment_results AS r WHERE r.experiment = e.experiment ORDER BY r.place, r.variant;
END
$$;
COMMENT ON FUNCTION @extschema@.analyze(text, timestamptz, boolean, boolean) IS
'analyzes an experiment: checks its exposures, computes and keeps the states of its metrics, and gives its results';
