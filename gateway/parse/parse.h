/*
 * parse.h
 *		What the gateway makes of the bytes that clients write.
 *
 * Pure functions: no socket, no database, no global state, so that test/unit and test/fuzz run them alone.
 * A function that may refuse its input answers NULL when it does not, and else a message for the client.
 */
#ifndef GW_PARSE_H
#define GW_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- buffer.c: bytes that grow; out of memory ends the process ---- */

typedef struct GwBuffer
{
	char	   *data;			/* terminated by a zero byte that len does not count; NULL while empty */
	size_t		len;
	size_t		capacity;
} GwBuffer;

extern void *gw_alloc(size_t bytes);	/* zeroed */
extern char *gw_strndup(const char *text, size_t len);
extern void gw_buffer_reserve(GwBuffer *buffer, size_t bytes);
extern void gw_buffer_append(GwBuffer *buffer, const void *bytes, size_t len);
extern void gw_buffer_puts(GwBuffer *buffer, const char *text);
extern void gw_buffer_printf(GwBuffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void gw_buffer_free(GwBuffer *buffer);

/* ---- quote.c: text inside other text ---- */

/* As a JSON string, quotes included; what is not UTF-8 becomes U+FFFD. */
extern void gw_quote_json(GwBuffer *out, const char *text, size_t len);
/* As an element of an array literal of PostgreSQL. */
extern void gw_quote_element(GwBuffer *out, const char *text);
/* As Go's %q, for Prometheus's messages. */
extern void gw_quote_go(GwBuffer *out, const char *text);
/* Length of the UTF-8 character at text, 0 when there is none. */
extern size_t gw_utf8_char(const unsigned char *text, size_t len);
extern bool gw_is_utf8(const char *text, size_t len);

/* ---- parameters.c: application/x-www-form-urlencoded, in URLs and bodies ---- */

#define GW_MAX_PARAMETERS 2000

typedef struct GwParameter
{
	char	   *name;
	char	   *value;
} GwParameter;

typedef struct GwParameters
{
	GwParameter *items;
	size_t		n;
	size_t		capacity;
} GwParameters;

/* Adds what the text says behind what is there. */
extern const char *gw_parameters_add(GwParameters *parameters, const char *text, size_t len);
/* The first value of that name, "" when there is none. */
extern const char *gw_parameter(const GwParameters *parameters, const char *name);
extern void gw_parameters_free(GwParameters *parameters);
/* Decodes %XX, and + as a space when told; NULL when it is no text. */
extern char *gw_percent_decode(const char *text, size_t len, bool plus_is_space);

/* ---- times.c: times and durations as the Prometheus API takes them ---- */

/* Milliseconds since 1970, out of float seconds or RFC 3339. */
extern bool gw_parse_time(const char *text, int64_t *ms);
/* Nanoseconds, out of float seconds or 1h30m. */
extern bool gw_parse_duration(const char *text, int64_t *ns, bool *overflow);

/* ---- authorization.c: the header of that name ---- */

typedef enum GwAuthorizationKind
{
	GW_NO_AUTHORIZATION,
	GW_BASIC,
	GW_BEARER
} GwAuthorizationKind;

typedef struct GwAuthorization
{
	GwAuthorizationKind kind;
	char	   *user;			/* of basic */
	char	   *secret;			/* password or token */
} GwAuthorization;

/* The header may be NULL. */
extern const char *gw_parse_authorization(const char *header, GwAuthorization *authorization);
extern void gw_authorization_free(GwAuthorization *authorization);
/* Takes equally long wherever the first difference is. */
extern bool gw_same_secret(const char *a, const char *b);

/* ---- headers.c: headers that choose a format ---- */

typedef enum GwWriteFormat
{
	GW_UNKNOWN_FORMAT,
	GW_REMOTE_WRITE_1,
	GW_REMOTE_WRITE_2
} GwWriteFormat;

/* Each header may be NULL. */
extern GwWriteFormat gw_write_format(const char *content_type);
extern bool gw_is_media_type(const char *content_type, const char *type);
extern bool gw_accepts_gzip(const char *accept_encoding);

/* ---- gunzip.c ---- */

extern const char *gw_gunzip(const void *bytes, size_t len, size_t limit, GwBuffer *out, bool *too_large);

#endif							/* GW_PARSE_H */
