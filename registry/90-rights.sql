-- Everybody may use the registry, and sees the experiments of the roles that they are or belong to.
-- Metrics are common knowledge (names of relations, no data); their owner changes them.

GRANT USAGE ON SCHEMA @extschema@ TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON
	metrics, experiments, variants, experiment_metrics, states, timeline, quantiles, health, analyses TO PUBLIC;
GRANT SELECT, INSERT ON decisions TO PUBLIC;
GRANT SELECT ON
	comparisons, experiment_results, experiment_results_by_segment, experiment_timeseries, experiment_health,
	experiment_summary TO PUBLIC;

ALTER TABLE metrics ENABLE ROW LEVEL SECURITY;
CREATE POLICY metrics_read ON metrics FOR SELECT USING (true);
CREATE POLICY metrics_insert ON metrics FOR INSERT WITH CHECK (is_mine(owner));
CREATE POLICY metrics_update ON metrics FOR UPDATE USING (is_mine(owner)) WITH CHECK (is_mine(owner));
CREATE POLICY metrics_delete ON metrics FOR DELETE USING (is_mine(owner));

ALTER TABLE experiments ENABLE ROW LEVEL SECURITY;
CREATE POLICY experiments_of_owner ON experiments USING (is_mine(owner)) WITH CHECK (is_mine(owner));

ALTER TABLE variants ENABLE ROW LEVEL SECURITY;
CREATE POLICY variants_of_owner ON variants
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = variants.experiment));

ALTER TABLE experiment_metrics ENABLE ROW LEVEL SECURITY;
CREATE POLICY experiment_metrics_of_owner ON experiment_metrics
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = experiment_metrics.experiment));

ALTER TABLE decisions ENABLE ROW LEVEL SECURITY;
CREATE POLICY decisions_of_owner ON decisions
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = decisions.experiment))
	WITH CHECK (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = decisions.experiment)
				AND is_mine(decided_by));

ALTER TABLE states ENABLE ROW LEVEL SECURITY;
CREATE POLICY states_of_owner ON states
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = states.experiment));

ALTER TABLE timeline ENABLE ROW LEVEL SECURITY;
CREATE POLICY timeline_of_owner ON timeline
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = timeline.experiment));

ALTER TABLE quantiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY quantiles_of_owner ON quantiles
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = quantiles.experiment));

ALTER TABLE health ENABLE ROW LEVEL SECURITY;
CREATE POLICY health_of_owner ON health
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = health.experiment));

ALTER TABLE analyses ENABLE ROW LEVEL SECURITY;
CREATE POLICY analyses_of_owner ON analyses
	USING (EXISTS (SELECT FROM experiments AS e WHERE e.experiment = analyses.experiment));

-- Everything here is the users' data: a dump has it.
SELECT pg_catalog.pg_extension_config_dump('@extschema@.metrics', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.experiments', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.variants', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.experiment_metrics', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.decisions', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.states', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.timeline', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.quantiles', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.health', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.analyses', '');
