/*
 * linear.c
 *		Linear algebra.
 */
#include "linear.h"

#include <math.h>

#include <gsl/gsl_blas.h>
#include <gsl/gsl_linalg.h>

/* The scaled matrix: 1 on the diagonal, or 0 for a variable that is constant. */
static void
scale_to_correlations(const double *packed, int n, double *scale, gsl_matrix *matrix)
{
	for (int i = 0; i < n; i++)
		scale[i] = sqrt(packed[i * (i + 1) / 2 + i]);
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j <= i; j++)
		{
			double product = scale[i] * scale[j];
			double value = product > 0.0 ? packed[i * (i + 1) / 2 + j] / product : 0.0;

			gsl_matrix_set(matrix, i, j, value);
			gsl_matrix_set(matrix, j, i, value);
		}
	}
}

/*
 * Solve S x = b for a positive semidefinite S, given by the packed rows of its
 * lower triangle (n at most LINEAR_MAX), and return the rank.  Variables that
 * are constant, or combinations of others, get 0: Cholesky's decomposition with
 * pivoting (Higham 2002, section 10.3) takes them last.
 */
int
solve_semidefinite(const double *packed, const double *right, int n, double *solution)
{
	double			storage[LINEAR_MAX * LINEAR_MAX];
	double			scale[LINEAR_MAX];
	double			reduced[LINEAR_MAX];
	size_t			order[LINEAR_MAX];
	gsl_permutation permutation = {n, order};
	gsl_matrix_view matrix;
	gsl_matrix_view lower;
	gsl_vector_view vector;
	int				rank = 0;

	for (int i = 0; i < n; i++)
		solution[i] = 0.0;
	if (n == 0)
		return 0;

	matrix = gsl_matrix_view_array(storage, n, n);
	scale_to_correlations(packed, n, scale, &matrix.matrix);
	gsl_linalg_pcholesky_decomp(&matrix.matrix, &permutation);

	while (rank < n && gsl_matrix_get(&matrix.matrix, rank, rank) > COLLINEAR_SHARE)
	{
		reduced[rank] = right[order[rank]] / scale[order[rank]];
		rank++;
	}
	if (rank == 0)
		return 0;

	lower = gsl_matrix_submatrix(&matrix.matrix, 0, 0, rank, rank);
	vector = gsl_vector_view_array(reduced, rank);
	gsl_blas_dtrsv(CblasLower, CblasNoTrans, CblasUnit, &lower.matrix, &vector.vector);
	for (int i = 0; i < rank; i++)
		reduced[i] /= gsl_matrix_get(&lower.matrix, i, i);
	gsl_blas_dtrsv(CblasLower, CblasTrans, CblasUnit, &lower.matrix, &vector.vector);

	for (int i = 0; i < rank; i++)
		solution[order[i]] = reduced[i] / scale[order[i]];
	return rank;
}
