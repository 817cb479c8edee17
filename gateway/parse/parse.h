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
/* Gives back what it has not used; for a buffer that is kept. */
extern void gw_buffer_shrink(GwBuffer *buffer);
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

/* ---- matrix.c: answers to range queries, cut and put together without reading their values ---- */

typedef struct GwMatrixSeries
{
	const char *metric;			/* {"__name__":"up"} */
	size_t		metric_len;
	const char *points;			/* [1.5,"1"],[2.5,"3"] */
	size_t		points_len;
} GwMatrixSeries;

/* Points into the text of the answer. */
typedef struct GwMatrix
{
	GwMatrixSeries *series;		/* ascending by their labels */
	size_t		n;
	const char *notes;			/* what follows the list: }} or }, with warnings and infos behind it */
	size_t		notes_len;
} GwMatrix;

/* Steps of an answer that are wanted, in milliseconds; to < from: none. */
typedef struct GwMatrixPiece
{
	const GwMatrix *matrix;
	int64_t		from;
	int64_t		to;
} GwMatrixPiece;

/* False: it is not the answer of the database to a range query that went well. */
extern bool gw_matrix_parse(const char *json, size_t len, GwMatrix *matrix);
extern void gw_matrix_free(GwMatrix *matrix);
/* The answer that has the points of both, the first of which are all earlier, and the notes of the second. */
extern void gw_matrix_join(const GwMatrixPiece *early, const GwMatrixPiece *late, GwBuffer *out);
extern bool gw_matrix_has_notes(const GwMatrix *matrix);
/* Whether the same notes are told of both, and all of them. */
extern bool gw_matrix_same_notes(const GwMatrix *a, const GwMatrix *b);

/* ---- matrix_labels.c: the order of series ---- */

/* As Prometheus compares label sets. */
extern int	gw_compare_metrics(const char *a, size_t a_len, const char *b, size_t b_len);

/* ---- gunzip.c ---- */

extern const char *gw_gunzip(const void *bytes, size_t len, size_t limit, GwBuffer *out, bool *too_large);

#endif							/* GW_PARSE_H */
