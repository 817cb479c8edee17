/*
 * options.c
 *		Command line and environment: --read-dsn is PGTSDB_GATEWAY_READ_DSN.
 */
#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

#define ENVIRONMENT "PGTSDB_GATEWAY_"

GwOptions	gw_options;

typedef enum Kind
{
	TEXT,
	SECRET,						/* text that is shown nowhere */
	NUMBER,
	TIME,						/* milliseconds, written as Prometheus's durations */
	SECONDS,					/* the same in seconds */
	SIZE						/* bytes, written with k, M or G */
} Kind;

static const struct
{
	const char *name;
	Kind		kind;
	void	   *value;
	const char *otherwise;
	int64_t		min;
	int64_t		max;
	const char *help;
}			table[] = {
	{"listen", TEXT, &gw_options.listen, "127.0.0.1:9090", 0, 0,
		"address and port to listen on; an empty host is every address"},
	{"write-dsn", SECRET, &gw_options.write_dsn, "", 0, 0,
		"libpq connection string of the primary; as --read-dsn when not given"},
	{"read-dsn", SECRET, &gw_options.read_dsn, "", 0, 0,
		"libpq connection string for queries, of standbys perhaps; as --write-dsn when not given"},
	{"role-for-anonymous", TEXT, &gw_options.anonymous_role, "", 0, 0,
		"role of requests without Authorization; they are refused when not given"},
	{"tokens-file", TEXT, &gw_options.tokens_file, "", 0, 0,
		"file with a line \"role:token\" for each bearer token"},
	{"cors-origin", TEXT, &gw_options.cors_origin, "*", 0, 0,
		"origin whose scripts may read; none when empty"},
	{"tls-cert", TEXT, &gw_options.tls_cert, "", 0, 0,
		"file with the certificate chain (PEM); serves HTTPS"},
	{"tls-key", TEXT, &gw_options.tls_key, "", 0, 0,
		"file with its private key (PEM)"},
	{"write-connections", NUMBER, &gw_options.write_connections, "4", 1, 1000,
		"connections to the database for writes"},
	{"read-connections", NUMBER, &gw_options.read_connections, "8", 1, 1000,
		"connections to the database for queries"},
	{"write-queue", NUMBER, &gw_options.write_queue, "200", 0, 100000,
		"writes that may wait for a connection; more are answered 503"},
	{"read-queue", NUMBER, &gw_options.read_queue, "200", 0, 100000,
		"queries that may wait for a connection; more are answered 503"},
	{"queue-timeout", TIME, &gw_options.queue_timeout, "10s", 1, INT_MAX,
		"how long a request may wait for a connection"},
	{"query-timeout", TIME, &gw_options.query_timeout, "2m", 1, INT_MAX,
		"longest time for a query, and the most that ?timeout= may ask for"},
	{"write-timeout", TIME, &gw_options.write_timeout, "30s", 1, INT_MAX,
		"longest time for a write"},
	{"connect-timeout", TIME, &gw_options.connect_timeout, "5s", 1, INT_MAX,
		"how long to wait for a new connection to the database"},
	{"connection-lifetime", TIME, &gw_options.connection_lifetime, "10m", 1, INT_MAX,
		"age at which a connection to the database is replaced"},
	{"request-timeout", TIME, &gw_options.request_timeout, "30s", 1, INT_MAX,
		"time a client has to send the body of a request"},
	{"response-timeout", TIME, &gw_options.response_timeout, "5m", 1, INT_MAX,
		"time a client has to take the answer"},
	{"idle-timeout", TIME, &gw_options.idle_timeout, "75s", 1, INT_MAX,
		"time a client has between two requests, the next one's headers included"},
	{"stop-timeout", TIME, &gw_options.stop_timeout, "10s", 0, INT_MAX,
		"how long to wait for running requests when told to stop"},
	{"max-connections", NUMBER, &gw_options.max_connections, "1000", 1, 100000,
		"connections of clients"},
	{"io-threads", NUMBER, &gw_options.io_threads, "2", 1, 64,
		"threads that talk to clients"},
	{"max-header", SIZE, &gw_options.max_header, "128k", 4096, INT_MAX,
		"longest request line and headers"},
	{"max-body", SIZE, &gw_options.max_body, "32M", 1, INT_MAX,
		"longest body of a write, before decompression"},
	{"max-form", SIZE, &gw_options.max_form, "2M", 1, INT_MAX,
		"longest form of a query, after decompression"},
	{"max-memory", SIZE, &gw_options.max_memory, "512M", 1, INT64_MAX,
		"memory for the bodies of all requests together; more are answered 503"},
	{"query-cache-size", SIZE, &gw_options.query_cache_size, "64M", 0, INT64_MAX,
		"memory for answers to range queries that are asked again; 0: none are kept"},
	{"max-ahead", SECONDS, &gw_options.max_ahead, "10m", 0, INT_MAX,
		"samples further in the future are refused; 0: none"},
};

static void read_environment(int option);
static void set(int option, const char *text, const char *source);
static void copy_text(char **where, const char *text);
static int64_t in_range(int option, int64_t number, const char *text, const char *source);
static bool parse_size(const char *text, int64_t *bytes);
static void refuse(const char *format, const char *a, const char *b) __attribute__((noreturn, format(printf, 1, 0)));
static void help(void) __attribute__((noreturn));
static void check(void);

void
gw_read_options(int argc, char **argv)
{
	struct option options[GW_COUNT(table) + 2] = {0};
	int			index;
	int			c;

	for (int i = 0; i < GW_COUNT(table); i++)
	{
		options[i] = (struct option) {table[i].name, required_argument, NULL, 1};
		set(i, table[i].otherwise, "the default");
		read_environment(i);
	}
	options[GW_COUNT(table)] = (struct option) {"help", no_argument, NULL, 'h'};
	while ((c = getopt_long(argc, argv, "h", options, &index)) != -1)
	{
		if (c == 'h')
			help();
		if (c != 1)
			exit(2);
		set(index, optarg, "the command line");
	}
	if (optind < argc)
		refuse("unexpected argument \"%s\"%s", argv[optind], "");
	check();
}

static void
read_environment(int option)
{
	char		name[64] = ENVIRONMENT;
	size_t		len = strlen(name);
	const char *text;

	for (const char *c = table[option].name; *c != '\0'; c++)
		name[len++] = *c == '-' ? '_' : (char) toupper((unsigned char) *c);
	text = getenv(name);
	if (text != NULL)
		set(option, text, name);
}

static void
set(int option, const char *text, const char *source)
{
	int64_t		number = -1;
	bool		overflow;

	switch (table[option].kind)
	{
		case TEXT:
		case SECRET:
			copy_text(table[option].value, text);
			break;
		case NUMBER:
			if (!parse_size(text, &number) || !isdigit((unsigned char) text[strlen(text) - 1]))
				number = -1;
			*(int *) table[option].value = (int) in_range(option, number, text, source);
			break;
		case TIME:
			if (!gw_parse_duration(text, &number, &overflow))
				number = -1;
			*(int *) table[option].value = (int) in_range(option, number < 0 ? -1 : number / 1000000, text, source);
			break;
		case SECONDS:
			if (!gw_parse_duration(text, &number, &overflow))
				number = -1;
			*(int *) table[option].value = (int) in_range(option, number < 0 ? -1 : number / 1000000000, text, source);
			break;
		case SIZE:
			if (!parse_size(text, &number))
				number = -1;
			*(int64_t *) table[option].value = in_range(option, number, text, source);
			break;
	}
}

static void
copy_text(char **where, const char *text)
{
	char	   *copy = gw_strndup(text, strlen(text));

	free(*where);
	*where = copy;
}

static int64_t
in_range(int option, int64_t number, const char *text, const char *source)
{
	if (number >= table[option].min && number <= table[option].max)
		return number;
	fprintf(stderr, "pgtsdb-gateway: invalid value \"%s\" for --%s in %s\n", text, table[option].name, source);
	exit(2);
}

static bool
parse_size(const char *text, int64_t *bytes)
{
	char	   *end;
	long long	number;
	int64_t		unit = 1;

	if (!isdigit((unsigned char) *text))
		return false;
	number = strtoll(text, &end, 10);
	if (*end == 'k')
		unit = 1024;
	else if (*end == 'M')
		unit = 1024 * 1024;
	else if (*end == 'G')
		unit = 1024 * 1024 * 1024;
	else if (*end != '\0')
		return false;
	return (unit == 1 || end[1] == '\0') && !__builtin_mul_overflow((int64_t) number, unit, bytes);
}

static void
refuse(const char *format, const char *a, const char *b)
{
	fputs("pgtsdb-gateway: ", stderr);
	fprintf(stderr, format, a, b);
	fputc('\n', stderr);
	exit(2);
}

static void
help(void)
{
	printf("pgtsdb-gateway serves Prometheus's HTTP API out of a PostgreSQL database with pgtsdb.\n\n"
		   "Each option may also be given as an environment variable: --read-dsn as " ENVIRONMENT "READ_DSN.\n\n");
	for (int i = 0; i < GW_COUNT(table); i++)
		printf("  --%-20s %s%s%s%s\n", table[i].name, table[i].help,
			   *table[i].otherwise != '\0' ? " (" : "", table[i].otherwise, *table[i].otherwise != '\0' ? ")" : "");
	exit(0);
}

static void
check(void)
{
	if (*gw_options.write_dsn == '\0' && *gw_options.read_dsn == '\0')
		refuse("no database: give --write-dsn, --read-dsn or both%s%s", "", "");
	if (*gw_options.write_dsn == '\0')
		copy_text(&gw_options.write_dsn, gw_options.read_dsn);
	if (*gw_options.read_dsn == '\0')
		copy_text(&gw_options.read_dsn, gw_options.write_dsn);
	if ((*gw_options.tls_cert == '\0') != (*gw_options.tls_key == '\0'))
		refuse("--tls-cert and --tls-key go together%s%s", "", "");
	if (strcmp(gw_options.anonymous_role, "none") == 0)
		refuse("\"%s\" is no role%s", gw_options.anonymous_role, "");
}

void
gw_options_json(GwBuffer *out)
{
	const char *separator = "{";

	for (int i = 0; i < GW_COUNT(table); i++)
	{
		char		number[32];
		const char *text = number;

		if (table[i].kind == SECRET)
			continue;
		if (table[i].kind == TEXT)
			text = *(char **) table[i].value;
		else if (table[i].kind == SIZE)
			snprintf(number, sizeof(number), "%lld", (long long) *(int64_t *) table[i].value);
		else
			snprintf(number, sizeof(number), "%d%s", *(int *) table[i].value,
					 table[i].kind == TIME ? "ms" : table[i].kind == SECONDS ? "s" : "");
		gw_buffer_printf(out, "%s\"%s\":", separator, table[i].name);
		gw_quote_json(out, text, strlen(text));
		separator = ",";
	}
	gw_buffer_puts(out, "}");
}
