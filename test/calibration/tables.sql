-- What script/calibrate counts in.

CREATE EXTENSION expstat;

-- A row per job, estimator and question.  An experiment whose p-value or interval is NULL
-- does not reject, and does not cover; it is among the undefined as well.
CREATE UNLOGGED TABLE outcome (
	metric text,
	n_control integer,
	n_treatment integer,
	estimator text,
	question text,        -- 'false positives', 'diff' or 'lift'
	experiments bigint,
	hits bigint,          -- rejected, or covered
	truth_below bigint,   -- the truth is below the interval
	truth_above bigint,
	undefined bigint,
	left_out bigint       -- stratified_t left a stratum out
);

-- The squared std_error and the squared diff of the A/A experiments.
CREATE UNLOGGED TABLE spread (
	metric text,
	n_control integer,
	n_treatment integer,
	estimator text,
	m moments
);

-- A row per job and way to watch an experiment.  Units are of both arms, at the first look
-- that rejects, or at the last one.
CREATE UNLOGGED TABLE peeking (
	metric text,
	method text,
	experiments bigint,
	false_positives bigint,    -- A/A experiments rejected at any look
	found bigint,              -- A/B experiments rejected at any look
	units moments              -- until then
);

-- A row per job and figure of everything else.  What should be is the nominal value, at most or
-- at least that: '=', '<=' or '>='; NULL where nothing is promised.
CREATE UNLOGGED TABLE rate (
	call text,
	setting text,
	figure text,
	promised text,
	nominal float8,
	experiments bigint,
	hits float8
);

CREATE FUNCTION normal() RETURNS float8 LANGUAGE sql VOLATILE
	RETURN sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random());
