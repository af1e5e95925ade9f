-- What an experimenter registers: experiments, their variants, metrics, and what was decided.

-- Relations and columns are kept by name, not by OID: a dbt model is dropped and made anew every
-- hour, and its successor has another OID.

CREATE FUNCTION is_mine(owner name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = owner AND pg_has_role(r.oid, 'USAGE'));
END;
COMMENT ON FUNCTION is_mine(name) IS 'is the caller this role, or a member of it?';

CREATE TABLE metrics (
	metric text PRIMARY KEY CHECK (metric <> ''),
	description text,
	owner name NOT NULL DEFAULT current_user,
	unit text NOT NULL,
	kind text NOT NULL CHECK (kind IN ('mean', 'proportion', 'ratio', 'quantile', 'compound')),
	relation text,
	unit_column text,
	value_column text,
	time_column text,
	metric_column text,
	metric_window interval CHECK (metric_window > '0'),
	components text[],
	component_weights float8[],
	quantile float8 CHECK (quantile > 0 AND quantile < 1),
	covariate_relation text,
	covariate_column text,
	covariate_window interval CHECK (covariate_window > '0'),
	winsor_low float8 CHECK (winsor_low >= 0 AND winsor_low < 1),
	winsor_high float8 CHECK (winsor_high > 0 AND winsor_high <= 1),
	role text NOT NULL DEFAULT 'secondary' CHECK (role IN ('secondary', 'guardrail')),
	better text NOT NULL DEFAULT 'higher' CHECK (better IN ('higher', 'lower')),
	margin float8 CHECK (margin >= 0 AND margin <= 1e300),
	relative boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE metrics IS 'what is measured: a metric''s relation, columns and statistics; register_metric() checks and writes it';
COMMENT ON COLUMN metrics.metric IS 'its name, which is its key';
COMMENT ON COLUMN metrics.description IS 'what it means, for readers';
COMMENT ON COLUMN metrics.owner IS 'the role that may change it, with its members; everybody may read it';
COMMENT ON COLUMN metrics.unit IS 'what unit_column identifies: user, device, organisation; an experiment on the same unit can use the metric';
COMMENT ON COLUMN metrics.kind IS 'mean, proportion, ratio, quantile or compound';
COMMENT ON COLUMN metrics.relation IS 'table or view of events or of units, by its qualified name; NULL for ratio and compound';
COMMENT ON COLUMN metrics.unit_column IS 'column of relation with the unit';
COMMENT ON COLUMN metrics.value_column IS 'column of relation that is added up for each unit; NULL counts rows';
COMMENT ON COLUMN metrics.time_column IS 'column of relation with the time of the event; NULL if rows have none, and all count';
COMMENT ON COLUMN metrics.metric_column IS 'column of relation with the metric''s name, if relation has several metrics';
COMMENT ON COLUMN metrics.metric_window IS 'events count for so long after a unit''s first exposure; NULL: to the end of the experiment';
COMMENT ON COLUMN metrics.components IS 'of a ratio, numerator and denominator; of a compound, its terms: names of means or proportions';
COMMENT ON COLUMN metrics.component_weights IS 'of a compound, the factor of each component';
COMMENT ON COLUMN metrics.quantile IS 'of a quantile, which: 0.9';
COMMENT ON COLUMN metrics.covariate_relation IS 'relation of the covariate for CUPED; the metric''s own if NULL and there is a covariate';
COMMENT ON COLUMN metrics.covariate_column IS 'column of the covariate, added up for each unit; NULL with covariate_window: value_column';
COMMENT ON COLUMN metrics.covariate_window IS 'the covariate is what happened so long before a unit''s first exposure; NULL: all rows of covariate_relation';
COMMENT ON COLUMN metrics.winsor_low IS 'units below this percentile of all are set to it';
COMMENT ON COLUMN metrics.winsor_high IS 'units above this percentile of all are set to it: 0.99';
COMMENT ON COLUMN metrics.role IS 'secondary or guardrail, unless an experiment says otherwise';
COMMENT ON COLUMN metrics.better IS 'higher or lower';
COMMENT ON COLUMN metrics.margin IS 'non-inferiority margin of a guardrail: how much worse it may get';
COMMENT ON COLUMN metrics.relative IS 'is the margin a share of the control''s value (0.01 is 1 %), or in units of the metric?';

CREATE TABLE experiments (
	experiment text PRIMARY KEY CHECK (experiment <> ''),
	name text NOT NULL,
	hypothesis text,
	owner name NOT NULL DEFAULT current_user,
	unit text NOT NULL,
	exposures text NOT NULL,
	experiment_column text,
	unit_column text NOT NULL,
	variant_column text NOT NULL,
	time_column text NOT NULL,
	segments text[] NOT NULL DEFAULT '{}',
	assignments text,
	salt text,
	hashing_method text NOT NULL DEFAULT 'farm_fingerprint',
	coverage float8 NOT NULL DEFAULT 1 CHECK (coverage >= 0 AND coverage <= 1),
	crossovers text NOT NULL DEFAULT 'drop' CHECK (crossovers IN ('drop', 'keep_first')),
	starts timestamptz,
	ends timestamptz,
	time_zone text NOT NULL DEFAULT current_setting('TimeZone'),
	method text NOT NULL DEFAULT 'fixed' CHECK (method IN ('fixed', 'sequential')),
	alpha float8 NOT NULL DEFAULT 0.05 CHECK (alpha > 0 AND alpha < 1),
	correction text NOT NULL DEFAULT 'holm'
		CHECK (correction IN ('none', 'bonferroni', 'holm', 'hochberg', 'bh', 'by')),
	planned_n bigint CHECK (planned_n > 0),
	CHECK (starts < ends)
);
COMMENT ON TABLE experiments IS 'experiments: what is tried on whom, and how it is judged; register_experiment() checks and writes it';
COMMENT ON COLUMN experiments.experiment IS 'its id, which is its key';
COMMENT ON COLUMN experiments.name IS 'its name, for readers';
COMMENT ON COLUMN experiments.hypothesis IS 'what is expected to happen, and why';
COMMENT ON COLUMN experiments.owner IS 'the role that sees and changes it, with its members';
COMMENT ON COLUMN experiments.unit IS 'what was randomised: user, device, organisation';
COMMENT ON COLUMN experiments.exposures IS 'table or view with the exposures, by its qualified name';
COMMENT ON COLUMN experiments.experiment_column IS 'column of exposures with the experiment''s id, if exposures has several experiments';
COMMENT ON COLUMN experiments.unit_column IS 'column of exposures with the unit';
COMMENT ON COLUMN experiments.variant_column IS 'column of exposures with the variant''s label';
COMMENT ON COLUMN experiments.time_column IS 'column of exposures with the time';
COMMENT ON COLUMN experiments.segments IS 'columns of exposures by which results are split; a unit''s segment is that of its first exposure';
COMMENT ON COLUMN experiments.assignments IS 'table or view of all assigned units, with the same names of columns, to compare exposures with';
COMMENT ON COLUMN experiments.salt IS 'salt of the assignment, as in assign_variant(); NULL: assignment is not checked';
COMMENT ON COLUMN experiments.hashing_method IS 'method of the assignment, as in assign_variant()';
COMMENT ON COLUMN experiments.coverage IS 'share of the units that take part';
COMMENT ON COLUMN experiments.crossovers IS 'units seen in several variants: drop, or keep_first';
COMMENT ON COLUMN experiments.starts IS 'exposures and events from here on count; NULL: all';
COMMENT ON COLUMN experiments.ends IS 'exposures and events before this count; NULL: all';
COMMENT ON COLUMN experiments.time_zone IS 'time zone of its days';
COMMENT ON COLUMN experiments.method IS 'fixed (read once, at planned_n) or sequential (read at any time)';
COMMENT ON COLUMN experiments.alpha IS 'level of the tests and intervals';
COMMENT ON COLUMN experiments.correction IS 'of the p-values of primary and secondary metrics, as in p_adjust(); or none';
COMMENT ON COLUMN experiments.planned_n IS 'planned units per variant';

CREATE TABLE variants (
	experiment text NOT NULL REFERENCES experiments ON DELETE CASCADE ON UPDATE CASCADE,
	variant text NOT NULL,
	weight float8 NOT NULL DEFAULT 1 CHECK (weight > 0 AND weight < 'Infinity'),
	is_control boolean NOT NULL DEFAULT false,
	description text,
	place integer NOT NULL,
	PRIMARY KEY (experiment, variant)
);
CREATE UNIQUE INDEX variants_control ON variants (experiment) WHERE is_control;
COMMENT ON TABLE variants IS 'the variants of an experiment';
COMMENT ON COLUMN variants.variant IS 'label, as in the exposures';
COMMENT ON COLUMN variants.weight IS 'planned share of the units, relative to the others';
COMMENT ON COLUMN variants.is_control IS 'is it the one that others are compared with?';
COMMENT ON COLUMN variants.place IS 'position in the order of assignment';

CREATE TABLE experiment_metrics (
	experiment text NOT NULL REFERENCES experiments ON DELETE CASCADE ON UPDATE CASCADE,
	metric text NOT NULL REFERENCES metrics ON UPDATE CASCADE,
	role text NOT NULL CHECK (role IN ('primary', 'secondary', 'guardrail')),
	place integer NOT NULL,
	PRIMARY KEY (experiment, metric)
);
CREATE UNIQUE INDEX experiment_metrics_primary ON experiment_metrics (experiment) WHERE role = 'primary';
COMMENT ON TABLE experiment_metrics IS 'the metrics of an experiment, and their role in its decision';
COMMENT ON COLUMN experiment_metrics.role IS 'primary (one, which the experiment is about), secondary or guardrail';
COMMENT ON COLUMN experiment_metrics.place IS 'position in reports';

CREATE TABLE decisions (
	experiment text NOT NULL REFERENCES experiments ON UPDATE CASCADE,
	decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	decided_by name NOT NULL DEFAULT current_user,
	decision text NOT NULL CHECK (decision IN ('ship', 'do not ship', 'keep running')),
	variant text,
	reason text,
	snapshot jsonb NOT NULL,
	PRIMARY KEY (experiment, decided_at)
);
COMMENT ON TABLE decisions IS 'what was decided, when, by whom, on which numbers; rows are written by decide_experiment() and stay as they are';
COMMENT ON COLUMN decisions.decision IS 'ship, do not ship or keep running';
COMMENT ON COLUMN decisions.variant IS 'the variant that is shipped, or that the decision is about; NULL: all';
COMMENT ON COLUMN decisions.reason IS 'in the decider''s words';
COMMENT ON COLUMN decisions.snapshot IS 'the definitions, results, health checks, recommendation and moments of that moment';
