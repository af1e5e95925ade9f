# What base R answers to the cases of test_r.py: Rscript cases.R DIRECTORY
#
# Reads units.csv, effects.csv and p_values.csv there, prints a line "name<TAB>value" per number.

directory <- commandArgs(trailingOnly = TRUE)[1]
d <- read.csv(file.path(directory, "units.csv"))
effects <- read.csv(file.path(directory, "effects.csv"))
p_values <- read.csv(file.path(directory, "p_values.csv"))$p
t <- d[d$variant == "treatment", ]
c <- d[d$variant == "control", ]
treated <- as.numeric(d$variant == "treatment")

say <- function(name, value) cat(sprintf("%s\t%.17g\n", name, as.numeric(value)), sep = "")

# ---- means ----

say_t <- function(name, test) {
    say(paste(name, "statistic"), test$statistic)
    say(paste(name, "df"), test$parameter)
    say(paste(name, "p_value"), test$p.value)
    say(paste(name, "diff_low"), test$conf.int[1])
    say(paste(name, "diff_high"), test$conf.int[2])
}
say_t("welch", t.test(t$y, c$y))
say_t("welch greater", t.test(t$y, c$y, alternative = "greater", mu = -0.5, conf.level = 0.9))
say_t("welch less", t.test(t$y, c$y, alternative = "less", mu = 0.25, conf.level = 0.99))
say_t("welch far", t.test(t$y + 8, c$y))
say("welch std_error", t.test(t$y, c$y)$stderr)

# ---- covariates ----

report <- lm(y ~ x, data = d)
say("cuped theta", coef(report)["x"])
say("cuped variance_reduction", summary(report)$r.squared)
say("cuped correlation", cor(d$y, d$x))

# The standard error of a difference of adjusted means, each arm with a variance of its own.
adjusted_error <- function(theta, covariates) {
    rest <- d$y - as.matrix(d[covariates]) %*% theta
    sqrt(var(rest[treated == 1]) / nrow(t) + var(rest[treated == 0]) / nrow(c))
}
say_adjusted <- function(name, model, covariates) {
    say(paste(name, "diff"), coef(model)["treated"])
    say(paste(name, "std_error"), adjusted_error(coef(model)[covariates], covariates))
}
say_adjusted("cuped x", lm(y ~ treated + x, data = d), "x")
say_adjusted("cuped x, z", lm(y ~ treated + x + z, data = d), c("x", "z"))
d$known <- ifelse(is.na(d$sometimes), 0, d$sometimes)
d$missing <- as.numeric(is.na(d$sometimes))
say_adjusted("cuped missing", lm(y ~ treated + known + missing, data = d), c("known", "missing"))
x <- d$x - mean(d$x)
z <- d$z - mean(d$z)
say("lin x, z diff", coef(lm(d$y ~ treated * (x + z)))["treated"])

# ---- ratios and strata ----

ratio <- function(arm) sum(arm$y) / sum(arm$size)
ratio_error <- function(arm) var(arm$y - ratio(arm) * arm$size) / nrow(arm) / mean(arm$size)^2
say("ratio diff", ratio(t) - ratio(c))
say("ratio std_error", sqrt(ratio_error(t) + ratio_error(c)))

means <- tapply(d$y, list(d$grp, d$variant), mean)
say("strata diff", weighted.mean(means[, "treatment"] - means[, "control"], table(d$grp)))

# ---- proportions and counts ----

successes <- c(sum(t$success), sum(c$success))
units <- c(nrow(t), nrow(c))
test <- prop.test(successes, units, correct = FALSE)
say("proportion p_value", test$p.value)
say("proportion chi2", test$statistic)
# Newcombe's interval is made of Wilson's, which is prop.test's for one proportion.
w1 <- prop.test(successes[1], units[1], correct = FALSE)$conf.int
w0 <- prop.test(successes[2], units[2], correct = FALSE)$conf.int
shares <- successes / units
say("proportion diff_low", diff(rev(shares)) - sqrt((shares[1] - w1[1])^2 + (w0[2] - shares[2])^2))
say("proportion diff_high", diff(rev(shares)) + sqrt((w1[2] - shares[1])^2 + (shares[2] - w0[1])^2))

test <- chisq.test(table(d$variant, d$grp), correct = FALSE)
say("chi_square chi2", test$statistic)
say("chi_square df", test$parameter)
say("chi_square p_value", test$p.value)
say("chi_square min_expected", min(test$expected))

test <- chisq.test(c(50312, 24444, 25244), p = c(0.5, 0.25, 0.25))
say("srm chi2", test$statistic)
say("srm df", test$parameter)
say("srm p_value", test$p.value)

# ---- many arms ----

say_oneway <- function(name, test) {
    say(paste(name, "f"), test$statistic)
    say(paste(name, "df1"), test$parameter[1])
    say(paste(name, "df2"), test$parameter[2])
    say(paste(name, "p_value"), test$p.value)
}
say_oneway("welch_anova", oneway.test(y ~ grp, data = d))
say_oneway("anova", oneway.test(y ~ grp, data = d, var.equal = TRUE))
squares <- summary(aov(y ~ factor(grp), data = d))[[1]][["Sum Sq"]]
say("anova ss_between", squares[1])
say("anova ss_within", squares[2])
say("anova eta_squared", squares[1] / sum(squares))

# ---- ranks, quantiles, trimmed means ----

say_ranks <- function(name, test) {
    say(paste(name, "u"), test$statistic)
    say(paste(name, "p_value"), test$p.value)
}
say_ranks("ranks", wilcox.test(t$events, c$events, exact = FALSE, correct = FALSE))
say_ranks("ranks corrected", wilcox.test(t$events, c$events, exact = FALSE, correct = TRUE))
say_ranks("ranks exact", wilcox.test(t$y[t$small == 1], c$y[c$small == 1]))
for (p in c(0.1, 0.5, 0.95))
    say(paste("quantile", p), quantile(t$y, p, names = FALSE) - quantile(c$y, p, names = FALSE))
say("trimmed diff", mean(t$y, trim = 0.1) - mean(c$y, trim = 0.1))
say("winsor low", quantile(d$y, 0.01))
say("winsor high", quantile(d$y, 0.99))

# ---- not randomised ----

e <- fitted(glm(opted ~ x + z, family = binomial, data = d, control = list(epsilon = 1e-14, maxit = 100)))
m1 <- predict(lm(y ~ x + z, data = d, subset = opted == 1), d)
m0 <- predict(lm(y ~ x + z, data = d, subset = opted == 0), d)
psi1 <- m1 + d$opted * (d$y - m1) / e
psi0 <- m0 + (1 - d$opted) * (d$y - m0) / (1 - e)
say("aipw diff", mean(psi1 - psi0))
say("aipw std_error", sd(psi1 - psi0) / sqrt(nrow(d)))
say("aipw min_propensity", min(e))
say("aipw max_propensity", max(e))

# ---- effects by day and by segment ----

trend <- summary(lm(effect ~ day, weights = 1 / std_error^2, data = effects))
say("novelty slope", coef(trend)["day", 1])
say("novelty std_error", coef(trend)["day", 2] / trend$sigma) # the errors are known, not estimated
by_segment <- sapply(split(d, d$grp), function(s) {
    parts <- t.test(s$y[s$variant == "treatment"], s$y[s$variant == "control"])
    c(-diff(parts$estimate), parts$stderr)
})
common <- lm(by_segment[1, ] ~ 1, weights = 1 / by_segment[2, ]^2)
q <- sum(weighted.residuals(common)^2)
say("heterogeneity q", q)
say("heterogeneity p_value", pchisq(q, ncol(by_segment) - 1, lower.tail = FALSE))
say("heterogeneity diff", coef(common))

# ---- many tests ----

for (method in c("bonferroni", "holm", "hochberg", "BH", "BY"))
    for (i in seq_along(p_values))
        say(paste("p_adjust", tolower(method), i), p.adjust(p_values, method)[i])

# ---- planning ----

say("power_mean", power.t.test(n = 800, delta = 0.3, sd = 2, strict = TRUE)$power)
say("power_mean few", power.t.test(n = 5, delta = 2, sd = 1.5, strict = TRUE)$power)
say("power_mean greater", power.t.test(n = 800, delta = 0.3, sd = 2, alternative = "one.sided")$power)
say("sample_size_mean", power.t.test(power = 0.9, delta = 0.3, sd = 2, strict = TRUE, tol = 1e-13)$n)
say("mde_mean", power.t.test(n = 800, power = 0.8, sd = 2, strict = TRUE, tol = 1e-13)$delta)
say("power_proportion", power.prop.test(n = 4000, p1 = 0.1, p2 = 0.12, strict = TRUE)$power)
say("sample_size_proportion", power.prop.test(power = 0.8, p1 = 0.1, p2 = 0.12, strict = TRUE, tol = 1e-13)$n)
say("mde_proportion", power.prop.test(n = 4000, power = 0.8, p1 = 0.1, strict = TRUE, tol = 1e-13)$p2 - 0.1)
