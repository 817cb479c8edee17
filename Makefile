# pgtsdb: PGXS makefile.  PG_CONFIG chooses the server to build for.
#
#   make                 pgtsdb.so, pgtsdb_scraper.so and the program pgtsdb-gateway
#   make install         all three, with the control file and the SQL script, into that server
#   make test            everything, packages included; ends with "N passed, N failed"
#   make demo            a running system under .demo/; make demo-stop ends it
#
# One layer of the tests: make core-check | unit | installcheck | isolation | prove | fuzz

EXTENSION = pgtsdb
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pgtsdb.control)
MODULE_big = pgtsdb
OBJS = $(patsubst %.c,%.o,$(wildcard src/core/*/*.c src/pg/*.c src/pg/*/*.c))
SCRAPER_OBJS = $(patsubst %.c,%.o,$(wildcard scraper/*.c))
GATEWAY_OBJS = $(patsubst %.c,%.o,$(wildcard gateway/*.c gateway/*/*.c))
DATA_built = pgtsdb--$(EXTVERSION).sql
EXTRA_CLEAN = build pgtsdb_scraper.so pgtsdb-gateway $(SCRAPER_OBJS) $(GATEWAY_OBJS) \
	$(OBJS:.o=.d) $(SCRAPER_OBJS:.o=.d) $(GATEWAY_OBJS:.o=.d)

WARNINGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
PG_CPPFLAGS = -I$(CURDIR)/src -MMD -MP
# Calls within the library are calls, and may be inlined: nobody puts another function of the same name before ours.
PG_CFLAGS = -std=gnu11 $(WARNINGS) -ffp-contract=off -fno-semantic-interposition
SHLIB_LINK = -lsnappy -lpcre2-8 -Wl,-Bsymbolic-functions

# No bitcode: nothing here is small enough for the JIT to inline, and clang would be needed to build.
override with_llvm := no
# From 16 on PGXS hides symbols; pgtsdb_scraper.so uses those of pgtsdb.so (test/core-check.sh keeps their names apart).
override CFLAGS_SL_MODULE :=
# Ours are below: they bring their own server.
NO_INSTALLCHECK = 1

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell command -v $(PG_CONFIG) >/dev/null 2>&1 && $(PG_CONFIG) --pgxs))

.DEFAULT_GOAL = all

ifneq ($(PGXS),)
include $(PGXS)
-include $(OBJS:.o=.d) $(SCRAPER_OBJS:.o=.d) $(GATEWAY_OBJS:.o=.d)
# Other flags make other objects.
$(OBJS) $(SCRAPER_OBJS) $(GATEWAY_OBJS): Makefile

# Loops over the integers of a column are written to become vectors, which -O2 alone does not do before GCC 12 and seldom then:
# decoding takes a fifth less time.
src/core/chunk/%.o: CFLAGS += $(CFLAGS_VECTORIZE)

pgtsdb--$(EXTVERSION).sql: sql/pgtsdb.sql pgtsdb.control
	cp $< $@

ifneq ($(SCRAPER_OBJS),)
all: pgtsdb_scraper.so
install: install-scraper
uninstall: uninstall-scraper
endif

pgtsdb_scraper.so: $(SCRAPER_OBJS)
	$(CC) $(CFLAGS) -shared -o $@ $(SCRAPER_OBJS) $(LDFLAGS) $(LDFLAGS_SL) -lcurl

# A program of its own: no header of the server, no symbol of the libraries.
all: pgtsdb-gateway
install: install-gateway
uninstall: uninstall-gateway

gateway/%.o: gateway/%.c
	$(CC) -std=gnu11 -O2 -g $(WARNINGS) -pthread -fstack-protector-strong -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 \
		-DPGTSDB_VERSION='"$(EXTVERSION)"' -I. -I$(includedir) -MMD -MP -c -o $@ $<

pgtsdb-gateway: $(GATEWAY_OBJS)
	$(CC) -pthread -o $@ $(GATEWAY_OBJS) -L$(libdir) -lmicrohttpd -lpq -lz -lm

.PHONY: install-scraper uninstall-scraper install-gateway uninstall-gateway
install-gateway: pgtsdb-gateway installdirs
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $< '$(DESTDIR)$(bindir)/'
uninstall-gateway:
	rm -f '$(DESTDIR)$(bindir)/pgtsdb-gateway'
install-scraper: pgtsdb_scraper.so installdirs
	$(INSTALL_SHLIB) $< '$(DESTDIR)$(pkglibdir)/'
uninstall-scraper:
	rm -f '$(DESTDIR)$(pkglibdir)/pgtsdb_scraper.so'
else
all install uninstall:
	@echo "no server development files by PG_CONFIG=$(PG_CONFIG): 'make packages' installs Debian's" >&2; exit 1
clean:
	rm -rf $(EXTRA_CLEAN) $(OBJS) pgtsdb.so $(DATA_built)
endif

# ---- tests -------------------------------------------------------------------------------------

.PHONY: packages test core-check unit fuzz installcheck isolation prove docs format demo demo-stop bench-codec

export PG_CONFIG

packages:
	bash scripts/packages.sh

test:
	bash test/run.sh all

core-check: all
	bash test/core-check.sh

installcheck isolation prove: all
	bash test/run.sh $@

demo:
	bash demo/demo.sh start

demo-stop:
	bash demo/demo.sh stop

docs: all
	mkdir -p build && touch build/reference.md && chmod 666 build/reference.md
	PGTSDB_WRITE_REFERENCE=$(CURDIR)/build/reference.md PROVE_TESTS=001_reference_is_current.pl bash test/run.sh prove
	cp build/reference.md docs/reference.md

bench-codec:
	$(MAKE) -s -C bench run-codec

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

include test/unit/unit.mk
