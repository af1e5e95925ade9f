-- What analyze() keeps: moments, from which the views compute.  Large data stays where it is.

CREATE TABLE states (
	experiment text NOT NULL REFERENCES experiments ON DELETE CASCADE ON UPDATE CASCADE,
	metric text NOT NULL REFERENCES metrics ON DELETE CASCADE ON UPDATE CASCADE,
	cohort date NOT NULL,
	segment text,
	value text,
	m moments NOT NULL,
	kind text NOT NULL,
	adjusted boolean NOT NULL,
	units_hash bigint NOT NULL,
	complete boolean NOT NULL,
	UNIQUE NULLS NOT DISTINCT (experiment, metric, cohort, segment, value)
);
COMMENT ON TABLE states IS 'moments of the units first exposed on a day; those of all days are disjoint and merge to the experiment''s';
COMMENT ON COLUMN states.cohort IS 'day of the units'' first exposure';
COMMENT ON COLUMN states.segment IS 'name of the segment; NULL: all units';
COMMENT ON COLUMN states.value IS 'value of the segment';
COMMENT ON COLUMN states.m IS 'moments by variant: value (of a ratio numerator and denominator), then the covariates if there are any';
COMMENT ON COLUMN states.kind IS 'kind of the metric when it was computed';
COMMENT ON COLUMN states.adjusted IS 'has the state covariates?';
COMMENT ON COLUMN states.units_hash IS 'fingerprint of the cohort''s units, variants and segments';
COMMENT ON COLUMN states.complete IS 'is the window of all of its units over, so that it need not be computed again?';

CREATE TABLE timeline (
	experiment text NOT NULL REFERENCES experiments ON DELETE CASCADE ON UPDATE CASCADE,
	metric text NOT NULL REFERENCES metrics ON DELETE CASCADE ON UPDATE CASCADE,
	day date NOT NULL,
	m moments NOT NULL,
	kind text NOT NULL,
	adjusted boolean NOT NULL,
	complete boolean NOT NULL,
	PRIMARY KEY (experiment, metric, day)
);
COMMENT ON TABLE timeline IS 'moments of all units exposed up to the end of a day, by what they had done up to then';
COMMENT ON COLUMN timeline.kind IS 'kind of the metric when it was computed';
COMMENT ON COLUMN timeline.adjusted IS 'has the state covariates?';
COMMENT ON COLUMN timeline.complete IS 'is the day over?';

CREATE TABLE quantiles (
	experiment text NOT NULL REFERENCES experiments ON DELETE CASCADE ON UPDATE CASCADE,
	metric text NOT NULL REFERENCES metrics ON DELETE CASCADE ON UPDATE CASCADE,
	segment text,
	value text,
	result comparison NOT NULL
);
COMMENT ON TABLE quantiles IS 'comparisons of quantiles, which moments cannot give';

CREATE TABLE health (
	experiment text NOT NULL REFERENCES experiments ON DELETE CASCADE ON UPDATE CASCADE,
	place integer NOT NULL,
	check_name text NOT NULL,
	status text NOT NULL CHECK (status IN ('ok', 'warn', 'fail')),
	value float8,
	threshold float8,
	detail text NOT NULL,
	PRIMARY KEY (experiment, place)
);
COMMENT ON TABLE health IS 'the rows of exposure_health() at the last analysis';

CREATE TABLE analyses (
	experiment text PRIMARY KEY REFERENCES experiments ON DELETE CASCADE ON UPDATE CASCADE,
	as_of timestamptz NOT NULL,
	analyzed_at timestamptz NOT NULL,
	units bigint NOT NULL,
	definitions jsonb NOT NULL
);
COMMENT ON TABLE analyses IS 'the last analysis of each experiment';
COMMENT ON COLUMN analyses.as_of IS 'data before this were looked at';
COMMENT ON COLUMN analyses.definitions IS 'what each metric''s states were computed by; if it changes, they are computed anew';
