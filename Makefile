# expstat: statistics of online experiments for PostgreSQL; expstat_registry: their definitions and results
EXTENSION = expstat expstat_registry
EXTVERSION = 0.2.0

MODULE_big = expstat
# From the ground up: a file uses only what stands above it.
FORMULAS = stats noncentral duration linear sequential hash hash32 bucket digest methods wilcoxon propensity effects \
	poisson arms value_table moments bootstrap_state estimate compare covariates strata \
	posterior goodness multinomial adjust orderstat trimmed oneway independence doubly_robust \
	resampled group_sequential power history
SQL_FACING = arguments row moments_io moments_functions metric_array aggregates bootstrap_io comparison_rows \
	samples segments estimators comparisons monitoring stratified bayes \
	group_sequential_functions srm chi_square anova heterogeneity novelty \
	aipw multiple ranks quantiles outliers bootstrap assign_method hashes assign layer \
	exposure planning decide columns row_filter moments_scan moments_plan expstat
OBJS = $(patsubst %,src/%.o,$(FORMULAS) $(SQL_FACING))

# What was released stays as it was.
DATA = $(wildcard sql/releases/*.sql)
# The ways from there: what is new or changed, then parts of expstat all of whose functions are replaced, and parts that are new.
UPGRADES = $(patsubst sql/upgrade/%,expstat--%,$(wildcard sql/upgrade/*.sql)) \
	$(patsubst registry/upgrade/%,expstat_registry--%,$(wildcard registry/upgrade/*.sql))
REPLACED_PARTS = sql/46-how_long_still.sql sql/47-decide.sql
NEW_PARTS = sql/57-rollups.sql
DATA_built = $(patsubst %,%--$(EXTVERSION).sql,$(EXTENSION)) $(UPGRADES)
EXTRA_CLEAN = $(DATA_built)

REGRESS = install moments comparisons scorecard estimators sequential srm srm_sequential chi_square anova \
	heterogeneity aipw multiple ranks quantiles outliers bootstrap assign exposure planning decide rollups \
	registry report plans moments_scan
REGRESS_OPTS = --inputdir=test

# The same numbers on every platform: no fused multiply-add unless written.
PG_CFLAGS = -std=gnu99 -ffp-contract=off
ifdef WERROR
PG_CFLAGS += -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare
# PostgreSQL hands over options and attributes for its own compiler, some of which another does not know.
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes
endif
# PostgreSQL loads libraries into one name space: our calls stay ours.
SHLIB_LINK = -Wl,-Bsymbolic -lgsl -lgslcblas -lm

# libFuzzer's library, from script/fuzz: a fuzzer goes into ours.
ifdef FUZZER
OBJS += test/fuzz/fuzz.o test/fuzz/malloc_context.o
PG_CPPFLAGS += -Isrc
SHLIB_LINK += $(FUZZER) -lstdc++
endif

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

expstat--$(EXTVERSION).sql: $(sort $(wildcard sql/*.sql))
	cat $^ > $@

expstat_registry--$(EXTVERSION).sql: $(sort $(wildcard registry/*.sql)) sql/99-bound.sql
	cat $^ > $@

expstat--%.sql: sql/upgrade/%.sql $(REPLACED_PARTS) $(NEW_PARTS) sql/99-bound.sql
	(cat $< && sed 's/^CREATE FUNCTION/CREATE OR REPLACE FUNCTION/' $(REPLACED_PARTS) && \
		cat $(NEW_PARTS) sql/99-bound.sql) > $@

expstat_registry--%.sql: registry/upgrade/%.sql sql/99-bound.sql
	cat $^ > $@

$(OBJS): $(wildcard src/*.h)

# The loops over the metrics of every row, and of every merged state, are worth vectors.
src/aggregates.o src/metric_array.o src/moments.o src/moments_scan.o: CFLAGS += -O3
# So are those over the replicates of a bootstrap.
src/poisson.o src/bootstrap_state.o: CFLAGS += -O3

C_FILES = $(wildcard src/*.c src/*.h)

.PHONY: format format-check lint
format:
	clang-format -i $(C_FILES)

format-check:
	clang-format --dry-run --Werror $(C_FILES)

lint:
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c99 \
		'-Dpg_attribute_noreturn()=__attribute__((noreturn))' \
		'-Dforeach(cell,list)=while((cell=lnext(list,cell)))' \
		--enable=warning,performance,portability src
	clang-tidy --quiet --warnings-as-errors='*' \
		--checks='-*,bugprone-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,-bugprone-reserved-identifier,-bugprone-implicit-widening-of-multiplication-result' \
		src/*.c -- -std=gnu99 -I$(shell $(PG_CONFIG) --includedir-server)
