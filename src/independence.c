/*
 * independence.c
 *		Chi-square test of independence of rows and columns of a table of counts.
 */
#include "independence.h"

#include <math.h>

#include "stats.h"

/*
 * The sums of the rows (step 1 from cell to cell, stride from row to row) or of
 * the columns, and how many of them are not 0.
 */
static int
margin(const int64 *observed, int sums, int stride, int cells, int step, double *totals)
{
	int occupied = 0;

	for (int i = 0; i < sums; i++)
	{
		int64 total = 0;

		for (int j = 0; j < cells; j++)
			total += observed[i * stride + j * step];
		totals[i] = (double) total;
		occupied += total > 0;
	}
	return occupied;
}

/*
 * Pearson (1900), with the degrees of freedom of Fisher (1922, "On the
 * interpretation of chi^2 from contingency tables"):
 *
 *		chi2 = sum (o_ij - e_ij)^2 / e_ij,	e_ij = (row total)(column total)/n
 *
 * with (r - 1)(c - 1) degrees of freedom, without Yates' correction; r and c
 * count what has any units, for an empty row or column tells nothing.
 *
 * The effect size is Cramer's V = sqrt(chi2 / (n (min(r, c) - 1))), from 0 to 1
 * (Cramer 1946, "Mathematical Methods of Statistics", section 21.9).
 */
Independence
independence_test(const int64 *observed, int rows, int columns, double *expected)
{
	Independence result = {0, NAN, 0, NAN, NAN, NAN};
	double		*row_totals = palloc(rows * sizeof(double));
	double		*column_totals = palloc(columns * sizeof(double));
	int			 r = margin(observed, rows, columns, columns, 1, row_totals);
	int			 c = margin(observed, columns, 1, rows, columns, column_totals);
	double		 n;
	double		 chi2 = 0.0;

	for (int i = 0; i < rows * columns; i++)
		result.n += observed[i];
	n = (double) result.n;

	for (int i = 0; i < rows * columns; i++)
	{
		double row = row_totals[i / columns];
		double column = column_totals[i % columns];
		double excess;

		expected[i] = n > 0.0 ? row / n * column : 0.0;
		if (!(expected[i] > 0.0))
			continue;
		result.min_expected = fmin(result.min_expected, expected[i]);
		excess = (double) observed[i] - expected[i];
		chi2 += excess / expected[i] * excess;
	}
	pfree(row_totals);
	pfree(column_totals);

	if (r < 2 || c < 2)
		return result;
	result.chi2 = chi2;
	result.df = (r - 1) * (c - 1);
	result.p_value = chisq_sf(chi2, result.df);
	result.cramers_v = sqrt(chi2 / n / (Min(r, c) - 1));
	return result;
}
