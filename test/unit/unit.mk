# The pure core, and the parsers of the gateway, without a server: unit tests, replay of the fuzz corpora, fuzzing.
#
# The core is compiled a second time, into build/unit, as strict C11 under the address and undefined
# behaviour sanitizers and without the -fwrapv and -fno-strict-aliasing that the server is built with.
# A file test/unit/test_<room>.c with a function `Suite *<room>_suite(void)` is a suite; a file
# test/fuzz/fuzz_<format>.c is a fuzz target with its seeds in test/fuzz/corpus/<format>/.

UNIT_DIR = build/unit
UNIT_CORE = $(wildcard src/core/*/*.c)
UNIT_GATEWAY = $(wildcard gateway/parse/*.c)
UNIT_TESTS = $(sort $(wildcard test/unit/*.c))
UNIT_ROOMS = $(patsubst test/unit/test_%.c,%,$(filter test/unit/test_%,$(UNIT_TESTS)))
FUZZ_FORMATS = $(sort $(patsubst test/fuzz/fuzz_%.c,%,$(wildcard test/fuzz/fuzz_*.c)))

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_CFLAGS = -g -O1 $(WARNINGS) -ffp-contract=off $(SANITIZE) -Isrc -I. -MMD -MP
UNIT_LIBS = -lsnappy -lpcre2-8 -lz -lm
UNIT_CORE_OBJS = $(UNIT_CORE:%.c=$(UNIT_DIR)/%.o)
UNIT_GATEWAY_OBJS = $(UNIT_GATEWAY:%.c=$(UNIT_DIR)/%.o)
UNIT_TEST_OBJS = $(UNIT_TESTS:%.c=$(UNIT_DIR)/%.o)
FUZZ_REPLAYS = $(FUZZ_FORMATS:%=$(UNIT_DIR)/fuzz_%)

unit: $(UNIT_DIR)/unit $(FUZZ_REPLAYS)
	$(UNIT_DIR)/unit
	@for format in $(notdir $(wildcard test/fuzz/corpus/*)); do test -f test/fuzz/fuzz_$$format.c || \
		{ echo "a corpus without a target: $$format"; exit 1; }; done
	@for format in $(FUZZ_FORMATS); do $(UNIT_DIR)/fuzz_$$format test/fuzz/corpus/$$format || exit 1; done

$(UNIT_DIR)/unit: $(UNIT_TEST_OBJS) $(UNIT_DIR)/libcore.a $(UNIT_DIR)/libgateway.a
	gcc $(SANITIZE) -o $@ $^ $$(pkg-config --libs check) $(UNIT_LIBS)

$(UNIT_DIR)/fuzz_%: $(UNIT_DIR)/test/fuzz/fuzz_%.o $(UNIT_DIR)/test/fuzz/replay.o $(UNIT_DIR)/libcore.a $(UNIT_DIR)/libgateway.a
	gcc $(SANITIZE) -o $@ $^ $(UNIT_LIBS)

# Runs PromQL test scripts in memory: build/unit/promqlscript test/promql/*.test
$(UNIT_DIR)/promqlscript: $(UNIT_DIR)/test/promql/promqlscript.o \
		$(patsubst %.c,$(UNIT_DIR)/%.o,$(wildcard test/unit/promql_script*.c)) $(UNIT_DIR)/libcore.a
	gcc $(SANITIZE) -o $@ $^ $(UNIT_LIBS)

$(UNIT_DIR)/libcore.a: $(UNIT_CORE_OBJS)
	rm -f $@ && ar rcs $@ $^

$(UNIT_DIR)/libgateway.a: $(UNIT_GATEWAY_OBJS)
	rm -f $@ && ar rcs $@ $^

$(UNIT_DIR)/gateway/%.o: gateway/%.c
	@mkdir -p $(@D)
	gcc -std=gnu11 -D_GNU_SOURCE $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_DIR)/src/%.o: src/%.c
	@mkdir -p $(@D)
	gcc -std=c11 $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_DIR)/test/%.o: test/%.c
	@mkdir -p $(@D)
	gcc -std=gnu11 -D_GNU_SOURCE $(UNIT_CFLAGS) -I$(UNIT_DIR) -Itest -c -o $@ $<

# The list of suites for main.c, rewritten only when a suite comes or goes.
$(UNIT_DIR)/test/unit/main.o: $(UNIT_DIR)/suites.inc
$(UNIT_DIR)/suites.inc: unit-always
	@mkdir -p $(@D)
	@printf 'SUITE(%s)\n' $(UNIT_ROOMS) | cmp -s - $@ || printf 'SUITE(%s)\n' $(UNIT_ROOMS) > $@

.PHONY: unit-always
.PRECIOUS: $(UNIT_DIR)/test/fuzz/%.o

-include $(UNIT_CORE_OBJS:.o=.d) $(UNIT_GATEWAY_OBJS:.o=.d) $(UNIT_TEST_OBJS:.o=.d) $(wildcard $(UNIT_DIR)/test/fuzz/*.d)

# ---- fuzzing with libFuzzer (needs clang): new inputs stay in build/fuzz/<format> ----

FUZZ_TIME ?= 60
FUZZ_DIR = build/fuzz

fuzz: $(FUZZ_FORMATS:%=$(FUZZ_DIR)/fuzz_%)
	@for format in $(FUZZ_FORMATS); do \
		mkdir -p $(FUZZ_DIR)/$$format; \
		echo "== $$format: $(FUZZ_TIME) s"; \
		$(FUZZ_DIR)/fuzz_$$format -max_total_time=$(FUZZ_TIME) -timeout=10 -print_final_stats=1 \
			-artifact_prefix=$(FUZZ_DIR)/$$format- $(FUZZ_DIR)/$$format test/fuzz/corpus/$$format || exit 1; \
	done

FUZZ_CC = clang -std=gnu11 -D_GNU_SOURCE -g -O1 -ffp-contract=off -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all -Isrc -I.

# The parsers of the gateway need nothing of the core.
$(FUZZ_DIR)/fuzz_gateway_%: test/fuzz/fuzz_gateway_%.c $(UNIT_GATEWAY) $(wildcard gateway/parse/*.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) -o $@ $< $(UNIT_GATEWAY) -lz -lm

$(FUZZ_DIR)/fuzz_%: test/fuzz/fuzz_%.c $(UNIT_CORE) $(wildcard src/core/*/*.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) -o $@ $< $(UNIT_CORE) $(UNIT_LIBS)
