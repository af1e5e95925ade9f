-- Registering: arguments are checked here, so that what is registered can be analyzed.

-- The core's checks and quoted names, by functions that are bound to it, wherever it is installed.
CREATE FUNCTION core_schema() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT exposure_schema();
END;
COMMENT ON FUNCTION core_schema() IS 'the quoted name of the schema of expstat';

CREATE FUNCTION known_column(relation regclass, "column" text, argument text, is_time boolean DEFAULT false) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT exposure_column(relation, "column", argument, is_time);
END;
COMMENT ON FUNCTION known_column(regclass, text, text, boolean) IS 'the quoted name of a column, or an error that says what is wrong';

CREATE FUNCTION known_relation(relation regclass, argument text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format('%I.%I', n.nspname, c.relname)
	FROM (SELECT exposure_relation(relation, argument) OFFSET 0) AS checked,
		 pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
	WHERE c.oid = relation;
END;
COMMENT ON FUNCTION known_relation(regclass, text) IS 'the qualified name of a relation that can be read, or an error';

CREATE FUNCTION check_assignment(salt text, variants text[], weights float8[], coverage float8, method text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT assign_variant('', coalesce(salt, ''), variants, weights, coverage, method);
END;
COMMENT ON FUNCTION check_assignment(text, text[], float8[], float8, text) IS 'raises the errors of assign_variant()';

-- What a definition names goes into queries as the catalog has it, not as it was written: a name may hold anything.
CREATE FUNCTION quoted_relation(relation text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT known_relation(to_regclass(quoted_relation.relation), 'relation');
END;
COMMENT ON FUNCTION quoted_relation(text) IS 'the qualified and quoted name of a relation that a definition names';

-- A relation that a definition names may be gone.
CREATE FUNCTION found_relation(relation text, definition text) RETURNS regclass
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_oid regclass := to_regclass(relation);
BEGIN
	IF found_oid IS NULL THEN
		RAISE undefined_table USING
			MESSAGE = format('relation %s does not exist', relation),
			DETAIL = format('It is named in the definition of %s.', definition),
			HINT = 'Make it, or register the definition anew with another.';
	END IF;
	RETURN found_oid;
END
$$;
COMMENT ON FUNCTION found_relation(text, text) IS 'the relation that a definition names';

CREATE FUNCTION check_choice(value text, argument text, VARIADIC choices text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF value = ANY (choices) THEN
		RETURN;
	END IF;
	RAISE invalid_parameter_value USING
		MESSAGE = format('unknown %s %s', argument, coalesce('"' || value || '"', 'NULL')),
		HINT = format('Accepted: ''%s''.', array_to_string(choices, ''', '''));
END
$$;
COMMENT ON FUNCTION check_choice(text, text, text[]) IS 'raises an error for a value that is not known';

-- Not more than one sentence per error: what is wrong with this metric, and what to do.
CREATE FUNCTION metric_error(metric text, message text, hint text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RAISE invalid_parameter_value USING
		MESSAGE = format('metric "%s": %s', metric, message), HINT = hint;
END
$$;
COMMENT ON FUNCTION metric_error(text, text, text) IS 'raises an error about a metric';

CREATE FUNCTION check_number_column(relation regclass, "column" text, argument text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_type oid;
BEGIN
	PERFORM @extschema@.known_column(relation, "column", argument);
	SELECT atttypid INTO found_type FROM pg_attribute WHERE attrelid = relation AND attname = "column";
	-- Not every type that calls itself a number (money, oid) can be one.
	IF NOT EXISTS (
		SELECT FROM pg_type AS t
		WHERE t.oid = found_type AND coalesce(nullif(t.typbasetype, 0), t.oid) IN (
			'boolean'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype,
			'float4'::regtype, 'float8'::regtype))
	THEN
		RAISE datatype_mismatch USING
			MESSAGE = format('column "%s" of relation %s is of type %s, not a number or boolean',
							 "column", relation, format_type(found_type, NULL)),
			DETAIL = format('It was given as %s.', argument),
			HINT = 'Convert it in a view, or leave it out to count rows.';
	END IF;
END
$$;
COMMENT ON FUNCTION check_number_column(regclass, text, text) IS 'raises an error for a column that cannot be added up';

-- A metric that has a relation of its own.
CREATE FUNCTION check_base_metric(k metrics) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	source regclass;
	covariates regclass;
BEGIN
	IF k.relation IS NULL OR k.unit_column IS NULL THEN
		PERFORM @extschema@.metric_error(k.metric, format('a %s needs relation and unit_column', k.kind),
			'Give the table or view that it comes from, and its column with the unit.');
	ELSIF k.components IS NOT NULL OR k.component_weights IS NOT NULL THEN
		PERFORM @extschema@.metric_error(k.metric, format('a %s has no components', k.kind),
			'Kinds with components are ''ratio'' and ''compound''.');
	END IF;
	source := @extschema@.found_relation(k.relation, format('metric "%s"', k.metric));
	PERFORM @extschema@.known_column(source, k.unit_column, 'unit_column');
	IF k.value_column IS NOT NULL THEN
		PERFORM @extschema@.check_number_column(source, k.value_column, 'value_column');
	END IF;
	IF k.metric_column IS NOT NULL THEN
		PERFORM @extschema@.known_column(source, k.metric_column, 'metric_column');
	END IF;
	IF k.time_column IS NOT NULL THEN
		PERFORM @extschema@.known_column(source, k.time_column, 'time_column', true);
	ELSIF k.metric_window IS NOT NULL OR k.covariate_window IS NOT NULL THEN
		PERFORM @extschema@.metric_error(k.metric, 'a window needs time_column',
			'Give the column of the relation with the time of the event.');
	END IF;

	IF k.kind = 'quantile' THEN
		IF k.quantile IS NULL OR k.value_column IS NULL THEN
			PERFORM @extschema@.metric_error(k.metric, 'a quantile needs quantile and value_column', 'For the 90th percentile: quantile => 0.9.');
		ELSIF k.covariate_relation IS NOT NULL OR k.covariate_column IS NOT NULL OR k.covariate_window IS NOT NULL
			  OR k.winsor_low IS NOT NULL OR k.winsor_high IS NOT NULL THEN
			PERFORM @extschema@.metric_error(k.metric, 'a quantile has no covariate and is not winsorised',
				'Quantiles do not mind outliers.');
		END IF;
	ELSIF k.quantile IS NOT NULL THEN
		PERFORM @extschema@.metric_error(k.metric, format('a %s has no quantile', k.kind), 'Use kind => ''quantile''.');
	END IF;
	IF k.winsor_low >= k.winsor_high THEN
		PERFORM @extschema@.metric_error(k.metric,
			format('winsor_low %s is not below winsor_high %s', k.winsor_low, k.winsor_high),
			'Both are shares of the units: 0.01 and 0.99.');
	END IF;

	IF k.covariate_relation IS NOT NULL AND k.covariate_window IS NOT NULL THEN
		PERFORM @extschema@.metric_error(k.metric, 'covariate_window is for the metric''s own relation',
			'Leave out covariate_relation, or the window.');
	ELSIF k.covariate_relation IS NOT NULL AND k.covariate_column IS NULL THEN
		PERFORM @extschema@.metric_error(k.metric, 'covariate_relation needs covariate_column',
			'Give the column of the covariate.');
	ELSIF k.covariate_column IS NOT NULL AND k.covariate_window IS NULL AND k.time_column IS NOT NULL
		  AND k.relation = coalesce(k.covariate_relation, k.relation) THEN
		PERFORM @extschema@.metric_error(k.metric, 'the covariate would hold what happened after the exposure',
			'Give covariate_window, such as ''28 days'', or a covariate_relation with what was known before.');
	END IF;
	IF k.covariate_column IS NOT NULL THEN
		covariates := @extschema@.found_relation(coalesce(k.covariate_relation, k.relation), format('metric "%s"', k.metric));
		PERFORM @extschema@.known_column(covariates, k.unit_column, 'unit_column');
		PERFORM @extschema@.check_number_column(covariates, k.covariate_column, 'covariate_column');
	END IF;
END
$$;
COMMENT ON FUNCTION check_base_metric(metrics) IS 'raises an error for a mean, proportion or quantile that cannot be analyzed';

-- A metric that is made of others.
CREATE FUNCTION check_derived_metric(k metrics) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	component text;
	part @extschema@.metrics;
BEGIN
	IF coalesce(cardinality(k.components), 0) = 0 OR (k.kind = 'ratio' AND cardinality(k.components) <> 2) THEN
		PERFORM @extschema@.metric_error(k.metric,
			CASE k.kind WHEN 'ratio' THEN 'a ratio has two components' ELSE 'a compound needs components' END,
			CASE k.kind WHEN 'ratio' THEN 'Numerator and denominator: components => ''{revenue,sessions}''.'
				ELSE 'Name registered metrics: components => ''{purchases,refunds}'', component_weights => ''{1,-1}''.' END);
	ELSIF num_nonnulls(k.relation, k.unit_column, k.value_column, k.time_column, k.metric_column, k.metric_window, k.quantile,
					   k.covariate_relation, k.covariate_column, k.covariate_window, k.winsor_low, k.winsor_high) > 0 THEN
		PERFORM @extschema@.metric_error(k.metric, format('a %s has components, and nothing else', k.kind),
			'Relations, windows, covariates and winsorising are those of the components.');
	ELSIF k.kind = 'compound' AND (coalesce(cardinality(k.component_weights), 0) <> cardinality(k.components)
		  OR array_position(k.component_weights, NULL) IS NOT NULL) THEN
		PERFORM @extschema@.metric_error(k.metric, 'a compound needs a component_weight for each component',
			'Purchases less refunds: component_weights => ''{1,-1}''.');
	ELSIF k.component_weights && '{NaN,Infinity,-Infinity}' THEN
		PERFORM @extschema@.metric_error(k.metric, 'a component_weight is not a finite number',
			'Purchases less refunds: component_weights => ''{1,-1}''.');
	ELSIF k.kind = 'ratio' AND k.component_weights IS NOT NULL THEN
		PERFORM @extschema@.metric_error(k.metric, 'a ratio has no component_weights', 'Use a compound as one of your own metrics instead.');
	END IF;
	FOREACH component IN ARRAY k.components LOOP
		SELECT * INTO part FROM @extschema@.metrics AS p WHERE p.metric = component;
		IF NOT found THEN
			PERFORM @extschema@.metric_error(k.metric, format('component "%s" is not registered', component),
				'Register it first, with register_metric().');
		ELSIF part.kind NOT IN ('mean', 'proportion') THEN
			PERFORM @extschema@.metric_error(k.metric, format('component "%s" is a %s', component, part.kind),
				'Components are means or proportions.');
		ELSIF part.unit <> k.unit THEN
			PERFORM @extschema@.metric_error(k.metric,
				format('component "%s" is by %s, not by %s', component, part.unit, k.unit),
				'All components are of the same unit.');
		END IF;
		PERFORM @extschema@.check_base_metric(part);
	END LOOP;
END
$$;
COMMENT ON FUNCTION check_derived_metric(metrics) IS 'raises an error for a ratio or compound that cannot be analyzed';

CREATE FUNCTION check_metric(k metrics) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM @extschema@.check_choice(k.kind, 'kind', 'mean', 'proportion', 'ratio', 'quantile', 'compound');
	PERFORM @extschema@.check_choice(k.role, 'role', 'secondary', 'guardrail');
	PERFORM @extschema@.check_choice(k.better, 'value of better', 'higher', 'lower');
	IF k.role = 'guardrail' AND k.margin IS NULL THEN
		PERFORM @extschema@.metric_error(k.metric, 'a guardrail needs a margin',
			'How much worse may it get? margin => 0.01 is 1 % of the control''s value.');
	END IF;
	IF k.kind IN ('ratio', 'compound') THEN
		PERFORM @extschema@.check_derived_metric(k);
	ELSE
		PERFORM @extschema@.check_base_metric(k);
	END IF;
END
$$;
COMMENT ON FUNCTION check_metric(metrics) IS 'raises an error for a metric that cannot be analyzed';

CREATE FUNCTION register_metric(
	metric text,
	kind text DEFAULT 'mean',
	relation regclass DEFAULT NULL,
	unit_column text DEFAULT NULL,
	value_column text DEFAULT NULL,
	time_column text DEFAULT NULL,
	metric_column text DEFAULT NULL,
	metric_window interval DEFAULT NULL,
	components text[] DEFAULT NULL,
	component_weights float8[] DEFAULT NULL,
	quantile float8 DEFAULT NULL,
	covariate_relation regclass DEFAULT NULL,
	covariate_column text DEFAULT NULL,
	covariate_window interval DEFAULT NULL,
	winsor_low float8 DEFAULT NULL,
	winsor_high float8 DEFAULT NULL,
	role text DEFAULT 'secondary',
	better text DEFAULT 'higher',
	margin float8 DEFAULT NULL,
	relative boolean DEFAULT true,
	unit text DEFAULT 'user',
	description text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	k @extschema@.metrics;
BEGIN
	k := ROW(metric, description, current_user, unit, kind,
			 CASE WHEN relation IS NOT NULL THEN @extschema@.known_relation(relation, 'relation') END,
			 unit_column, value_column, time_column, metric_column, metric_window, components, component_weights, quantile,
			 CASE WHEN covariate_relation IS NOT NULL
				  THEN @extschema@.known_relation(covariate_relation, 'covariate_relation') END,
			 covariate_column, covariate_window, winsor_low, winsor_high, role, better, margin, relative);
	PERFORM @extschema@.check_metric(k);
	-- Who registers it again changes the definition, not the owner.
	INSERT INTO @extschema@.metrics AS old SELECT k.*
	ON CONFLICT ON CONSTRAINT metrics_pkey DO UPDATE SET
		(description, unit, kind, relation, unit_column, value_column, time_column, metric_column, metric_window,
		 components, component_weights, quantile, covariate_relation, covariate_column, covariate_window,
		 winsor_low, winsor_high, role, better, margin, relative) =
		(SELECT k.description, k.unit, k.kind, k.relation, k.unit_column, k.value_column, k.time_column,
				k.metric_column, k.metric_window, k.components, k.component_weights, k.quantile, k.covariate_relation, k.covariate_column,
				k.covariate_window, k.winsor_low, k.winsor_high, k.role, k.better, k.margin, k.relative);
	RETURN metric;
END
$$;
COMMENT ON FUNCTION register_metric(text, text, regclass, text, text, text, text, interval, text[], float8[], float8,
	regclass, text, interval, float8, float8, text, text, float8, boolean, text, text) IS
'registers a metric, or changes its definition';

-- What an experiment can be analyzed by.  (A zone is one that TimeZone takes; that of the session comes back at the end.)
CREATE FUNCTION check_experiment(e experiments) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
	source regclass;
	assigned regclass;
	segment text;
BEGIN
	PERFORM @extschema@.check_choice(e.method, 'method', 'fixed', 'sequential');
	PERFORM @extschema@.check_choice(e.crossovers, 'crossovers policy', 'drop', 'keep_first');
	PERFORM @extschema@.check_choice(e.correction, 'correction', 'none', 'bonferroni', 'holm', 'hochberg', 'bh', 'by');
	PERFORM set_config('TimeZone', e.time_zone, true);
	IF e.starts >= e.ends THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('the experiment ends (%s) before it starts (%s)', e.ends, e.starts),
			HINT = 'Exposures from starts on and before ends count.';
	END IF;
	source := @extschema@.found_relation(e.exposures, format('experiment "%s"', e.experiment));
	PERFORM @extschema@.known_column(source, e.unit_column, 'unit_column');
	PERFORM @extschema@.known_column(source, e.variant_column, 'variant_column');
	PERFORM @extschema@.known_column(source, e.time_column, 'time_column', true);
	IF e.experiment_column IS NOT NULL THEN
		PERFORM @extschema@.known_column(source, e.experiment_column, 'experiment_column');
	END IF;
	FOREACH segment IN ARRAY e.segments LOOP
		PERFORM @extschema@.known_column(source, segment, 'segments');
	END LOOP;
	IF e.assignments IS NOT NULL THEN
		assigned := @extschema@.found_relation(e.assignments, format('experiment "%s"', e.experiment));
		PERFORM @extschema@.known_column(assigned, e.unit_column, 'unit_column');
		PERFORM @extschema@.known_column(assigned, e.variant_column, 'variant_column');
		IF e.experiment_column IS NOT NULL THEN
			PERFORM @extschema@.known_column(assigned, e.experiment_column, 'experiment_column');
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION check_experiment(experiments) IS 'raises an error for an experiment that cannot be analyzed';

CREATE FUNCTION check_experiment_metric(experiment text, unit text, metric text, is_primary boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	k @extschema@.metrics;
BEGIN
	SELECT * INTO k FROM @extschema@.metrics AS known WHERE known.metric = check_experiment_metric.metric;
	IF NOT found THEN
		RAISE undefined_object USING
			MESSAGE = format('metric %s is not registered', coalesce('"' || metric || '"', 'NULL')),
			HINT = 'Register it first, with register_metric().';
	ELSIF k.unit <> check_experiment_metric.unit THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('metric "%s" is by %s, experiment "%s" by %s', metric, k.unit, experiment, unit),
			HINT = 'Register a metric whose relation has the unit that was randomised, or a ratio of such metrics.';
	END IF;
	RETURN CASE WHEN is_primary THEN 'primary' ELSE k.role END;
END
$$;
COMMENT ON FUNCTION check_experiment_metric(text, text, text, boolean) IS 'the role of a metric in an experiment, or an error';

CREATE FUNCTION register_experiment(
	experiment text,
	exposures regclass,
	variants text[],
	primary_metric text,
	metrics text[] DEFAULT '{}',
	unit_column text DEFAULT 'user_id',
	variant_column text DEFAULT 'variant',
	time_column text DEFAULT 'exposed_at',
	experiment_column text DEFAULT NULL,
	segments text[] DEFAULT '{}',
	weights float8[] DEFAULT NULL,
	control text DEFAULT NULL,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL,
	time_zone text DEFAULT NULL,
	method text DEFAULT 'fixed',
	alpha float8 DEFAULT 0.05,
	correction text DEFAULT 'holm',
	planned_n bigint DEFAULT NULL,
	crossovers text DEFAULT 'drop',
	assignments regclass DEFAULT NULL,
	salt text DEFAULT NULL,
	hashing_method text DEFAULT 'farm_fingerprint',
	coverage float8 DEFAULT 1,
	unit text DEFAULT 'user',
	name text DEFAULT NULL,
	hypothesis text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	e @extschema@.experiments;
	chosen_control text := coalesce(control, CASE WHEN 'control' = ANY (variants) THEN 'control'
									ELSE (SELECT min(v COLLATE "C") FROM unnest(variants) AS v) END);
BEGIN
	IF experiment IS NULL OR exposures IS NULL OR primary_metric IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = 'experiment, exposures and primary_metric must not be null',
			HINT = 'What is the experiment about? Register that metric first, with register_metric().';
	END IF;
	PERFORM @extschema@.check_assignment(salt, variants, weights, coverage, hashing_method);
	IF cardinality(variants) < 2 OR (chosen_control = ANY (variants)) IS NOT TRUE THEN
		RAISE invalid_parameter_value USING
			MESSAGE = CASE WHEN cardinality(variants) < 2 THEN 'an experiment has two variants or more'
						   ELSE format('control "%s" is not a variant', chosen_control) END,
			HINT = format('The variants are: %s.', array_to_string(variants, ', '));
	END IF;
	e := ROW(experiment, coalesce(name, experiment), hypothesis, current_user, unit,
			 @extschema@.known_relation(exposures, 'exposures'), experiment_column, unit_column, variant_column,
			 time_column, coalesce(segments, '{}'),
			 CASE WHEN assignments IS NOT NULL THEN @extschema@.known_relation(assignments, 'assignments') END,
			 salt, hashing_method, coverage, crossovers, starts, ends,
			 coalesce(time_zone, current_setting('TimeZone')), method, alpha, correction, planned_n);
	PERFORM @extschema@.check_experiment(e);
	-- Who registers it again changes the definition, not the owner.
	INSERT INTO @extschema@.experiments AS old SELECT e.*
	ON CONFLICT ON CONSTRAINT experiments_pkey DO UPDATE SET
		(name, hypothesis, unit, exposures, experiment_column, unit_column, variant_column, time_column, segments,
		 assignments, salt, hashing_method, coverage, crossovers, starts, ends, time_zone, method, alpha,
		 correction, planned_n) =
		(SELECT e.name, e.hypothesis, e.unit, e.exposures, e.experiment_column, e.unit_column, e.variant_column,
				e.time_column, e.segments, e.assignments, e.salt, e.hashing_method, e.coverage, e.crossovers,
				e.starts, e.ends, e.time_zone, e.method, e.alpha, e.correction, e.planned_n);
	DELETE FROM @extschema@.variants AS v WHERE v.experiment = register_experiment.experiment;
	INSERT INTO @extschema@.variants (experiment, variant, weight, is_control, place)
	SELECT e.experiment, v.variant, coalesce(v.weight, 1), v.variant = chosen_control, v.place
	FROM ROWS FROM (unnest(variants), unnest(coalesce(weights, '{}'))) WITH ORDINALITY AS v (variant, weight, place);
	DELETE FROM @extschema@.experiment_metrics AS em WHERE em.experiment = register_experiment.experiment;
	INSERT INTO @extschema@.experiment_metrics (experiment, metric, role, place)
	SELECT e.experiment, q.metric, @extschema@.check_experiment_metric(e.experiment, e.unit, q.metric, q.place = 1), q.place
	FROM (SELECT m.metric, min(m.place) AS place
		  FROM unnest(primary_metric || metrics) WITH ORDINALITY AS m (metric, place)
		  GROUP BY m.metric) AS q
	ORDER BY q.place;
	RETURN experiment;
END
$$;
COMMENT ON FUNCTION register_experiment(text, regclass, text[], text, text[], text, text, text, text, text[], float8[],
	text, timestamptz, timestamptz, text, text, float8, text, bigint, text, regclass, text, text, float8, text, text, text) IS
'registers an experiment, or changes its definition';
