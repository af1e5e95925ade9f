-- What both simulations end with: the answers, and what is counted in them.

-- A row per experiment and estimator: p-value, difference and error of A/A, intervals of A/B.
CREATE TEMPORARY TABLE answer (
	estimator text, true_diff float8, p float8,
	diff_low float8, diff_high float8, lift_low float8, lift_high float8,
	diff float8, std_error float8, left_out boolean
);

CREATE TEMPORARY VIEW counts AS
SELECT estimator, question, count(*) AS experiments,
	count(*) FILTER (WHERE CASE question
		WHEN 'false positives' THEN p <= 0.05 ELSE truth >= low AND truth <= high END) AS hits,
	count(*) FILTER (WHERE truth < low) AS truth_below,
	count(*) FILTER (WHERE truth > high) AS truth_above,
	count(*) FILTER (WHERE CASE question
		WHEN 'false positives' THEN p ELSE high - low END IS NULL) AS undefined,
	count(*) FILTER (WHERE left_out) AS left_out
FROM answer,
	LATERAL (VALUES
		('false positives', NULL, NULL, NULL),
		('diff', true_diff, diff_low, diff_high),
		('lift', 0.1, lift_low, lift_high)
	) AS q (question, truth, low, high)
WHERE CASE question
	WHEN 'lift' THEN estimator <> 'mann_whitney' -- a probability has no lift
	ELSE true_diff IS NOT NULL END
GROUP BY estimator, question;

CREATE TEMPORARY VIEW errors AS
SELECT estimator, moments_agg(ARRAY[std_error * std_error, diff * diff], 'A/A') AS m
FROM answer
WHERE std_error IS NOT NULL
GROUP BY estimator;
