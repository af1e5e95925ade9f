-- Decisions, each with the numbers that it was made on.

CREATE FUNCTION experiment_moments(experiment text, metric text, segment text DEFAULT NULL, value text DEFAULT NULL)
RETURNS moments
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT moments_agg(s.m ORDER BY s.cohort, s.value)
	FROM states AS s
	WHERE s.experiment = experiment_moments.experiment AND s.metric = experiment_moments.metric
		  AND s.segment IS NOT DISTINCT FROM experiment_moments.segment
		  AND (experiment_moments.value IS NULL OR s.value = experiment_moments.value);
END;
COMMENT ON FUNCTION experiment_moments(text, text, text, text) IS
'the stored moments of a metric, merged over all days of first exposure: of all units, or of a segment';

CREATE FUNCTION experiment_snapshot(experiment text) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'experiment', (SELECT to_jsonb(e) FROM experiments AS e WHERE e.experiment = experiment_snapshot.experiment),
		'variants', (SELECT jsonb_agg(v ORDER BY v.place) FROM variants AS v WHERE v.experiment = experiment_snapshot.experiment),
		'metrics', (SELECT jsonb_agg(k ORDER BY em.place)
					FROM experiment_metrics AS em JOIN metrics AS k ON k.metric = em.metric
					WHERE em.experiment = experiment_snapshot.experiment),
		'analysis', (SELECT to_jsonb(a) - '{experiment,definitions}'::text[]
					 FROM analyses AS a WHERE a.experiment = experiment_snapshot.experiment),
		'health', (SELECT jsonb_agg(h ORDER BY h.place) FROM health AS h WHERE h.experiment = experiment_snapshot.experiment),
		'results', (SELECT jsonb_agg(r ORDER BY r.place, r.variant)
					FROM experiment_results AS r WHERE r.experiment = experiment_snapshot.experiment),
		'recommendation', (SELECT jsonb_agg(d) FROM recommend(experiment_snapshot.experiment) AS d),
		'moments', (SELECT jsonb_object_agg(em.metric, experiment_moments(em.experiment, em.metric)::jsonb)
					FROM experiment_metrics AS em WHERE em.experiment = experiment_snapshot.experiment));
END;
COMMENT ON FUNCTION experiment_snapshot(text) IS 'all that is known of an experiment at this moment';

CREATE TYPE decision_made AS (
	experiment text,
	decided_at timestamptz,
	decided_by name,
	decision text,
	variant text,
	reason text
);
COMMENT ON TYPE decision_made IS 'a decision as it was written down, without its snapshot';

CREATE FUNCTION decide_experiment(
	experiment text,
	decision text,
	variant text DEFAULT NULL,
	reason text DEFAULT NULL
) RETURNS decision_made
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	e @extschema@.experiments := @extschema@.analyzed_experiment(experiment);
	made @extschema@.decision_made;
BEGIN
	PERFORM @extschema@.check_choice(decision, 'decision', 'ship', 'do not ship', 'keep running');
	IF decision = 'ship' AND variant IS NULL OR NOT EXISTS (
		SELECT FROM @extschema@.variants AS v
		WHERE v.experiment = e.experiment AND v.variant = coalesce(decide_experiment.variant, v.variant))
	THEN
		RAISE invalid_parameter_value USING
			MESSAGE = CASE WHEN variant IS NULL THEN 'which variant ships?' ELSE format('variant "%s" is not one of the experiment''s', variant) END,
			HINT = format('The variants are: %s.', (SELECT string_agg(v.variant, ', ' ORDER BY v.place)
												   FROM @extschema@.variants AS v WHERE v.experiment = e.experiment));
	END IF;
	INSERT INTO @extschema@.decisions (experiment, decision, variant, reason, snapshot)
	VALUES (e.experiment, decide_experiment.decision, decide_experiment.variant, decide_experiment.reason,
			@extschema@.experiment_snapshot(e.experiment))
	RETURNING experiment, decided_at, decided_by, decision, variant, reason INTO made;
	RETURN made;
END
$$;
COMMENT ON FUNCTION decide_experiment(text, text, text, text) IS
'writes down what was decided, with the numbers of this moment';
