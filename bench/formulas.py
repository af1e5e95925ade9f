"""What a client has to add where the database or engine gives means and variances only.

An arm is (n, mean, variance) or (n, mean_y, mean_x, var_y, var_x, cov_yx); control first.
"""

import math

from scipy import stats


def welch(control, treatment):
    (n0, mean0, var0), (n1, mean1, var1) = control, treatment
    a, b = var0 / n0, var1 / n1
    diff = mean1 - mean0
    df = (a + b) ** 2 / (a**2 / (n0 - 1) + b**2 / (n1 - 1))
    return diff, 2 * stats.t.sf(abs(diff) / math.sqrt(a + b), df)


def ratio(control, treatment):
    """Ratio of the means of y and x, delta method."""

    def arm(n, y, x, var_y, var_x, cov):
        r = y / x
        return n, r, (var_y - 2 * r * cov + r * r * var_x) / (x * x)

    return welch(arm(*control), arm(*treatment))


def cuped(control, treatment):
    """y adjusted by x, theta pooled within the arms."""
    (n0, _, x0, _, var0, cov0), (n1, _, x1, _, var1, cov1) = control, treatment
    theta = ((n0 - 1) * cov0 + (n1 - 1) * cov1) / ((n0 - 1) * var0 + (n1 - 1) * var1)
    mean_x = (n0 * x0 + n1 * x1) / (n0 + n1)

    def arm(n, y, x, var_y, var_x, cov):
        return n, y - theta * (x - mean_x), var_y - 2 * theta * cov + theta * theta * var_x

    return welch(arm(*control), arm(*treatment))


def mann_whitney(n, n_treatment, rank_sum, ties):
    """From the treatment's sum of ranks and the sum of t^3 - t over the ties: superiority, p."""
    n_control = n - n_treatment
    u = rank_sum - n_treatment * (n_treatment + 1) / 2
    pairs = n_treatment * n_control
    z = (u - pairs / 2) / math.sqrt(pairs / 12 * (n + 1 - ties / (n * (n - 1))))
    return u / pairs, 2 * stats.norm.sf(abs(z))
