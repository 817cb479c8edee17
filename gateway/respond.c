/*
 * respond.c
 *		Answers: how they look, compressed or not, and which headers they have.
 *
 * An answer out of the database is sent from where libpq has put it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "gateway/gateway.h"

#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"
/* Shorter ones are not worth it. */
#define GZIP_MIN 1400
#define GZIP_LEVEL 1
#define RETRY_AFTER_SECONDS "1"

static const struct
{
	unsigned	status;
	const char *type;			/* errorType of the Prometheus API */
}			problems[] = {
	[GW_BAD_DATA] = {400, "bad_data"},
	[GW_EXECUTION] = {422, "execution"},
	[GW_CANCELED] = {499, "canceled"},
	[GW_TIMEOUT] = {503, "timeout"},
	[GW_INTERNAL] = {500, "internal"},
	[GW_NOT_FOUND] = {404, "not_found"},
	[GW_UNAVAILABLE] = {503, "unavailable"},
	[GW_UNAUTHORIZED] = {401, "unauthorized"},
	[GW_FORBIDDEN] = {403, "forbidden"},
	[GW_METHOD] = {405, "bad_data"},
	[GW_TOO_LARGE] = {413, "bad_data"},
	[GW_MEDIA_TYPE] = {415, "bad_data"},
	[GW_BUDGET] = {429, "too_many_requests"},
	[GW_NOT_PROVIDED] = {500, "unavailable"},
};

static void answer(GwRequest *request, unsigned status, const char *content_type, char *data, size_t len,
				   MHD_ContentReaderFreeCallback release, void *owner);
static bool compress_body(const char *data, size_t len, GwBuffer *out);
static void add_common_headers(GwRequest *request);
static void free_result(void *result);
static char *format_message(const char *format, va_list args);
static void fail(GwRequest *request, GwProblem problem, const char *message);

void
gw_respond(GwRequest *request, unsigned status, const char *content_type, GwBuffer *body)
{
	answer(request, status, content_type, body->data, body->len, free, body->data);
	*body = (GwBuffer) {0};
}

void
gw_respond_shared(GwRequest *request, unsigned status, const char *content_type, char *data, size_t len,
				  void (*release) (void *owner), void *owner)
{
	answer(request, status, content_type, data, len, release, owner);
}

void
gw_respond_result(GwRequest *request, unsigned status, const char *content_type, PGresult *result)
{
	answer(request, status, content_type, PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0), free_result, result);
}

static void
free_result(void *result)
{
	PQclear(result);
}

void
gw_respond_empty(GwRequest *request, unsigned status)
{
	answer(request, status, NULL, NULL, 0, NULL, NULL);
}

void
gw_respond_json(GwRequest *request, const char *format, ...)
{
	GwBuffer	body = {0};
	va_list		args;

	va_start(args, format);
	body.data = format_message(format, args);
	va_end(args);
	body.len = strlen(body.data);
	gw_respond(request, MHD_HTTP_OK, JSON, &body);
}

static void
answer(GwRequest *request, unsigned status, const char *content_type, char *data, size_t len,
	   MHD_ContentReaderFreeCallback release, void *owner)
{
	GwBuffer	packed = {0};
	bool		gzip = request->accepts_gzip && len >= GZIP_MIN && compress_body(data, len, &packed);

	if (request->status != 0)
		abort();				/* two answers are a bug that must not go on */
	if (gzip)
	{
		release(owner);
		data = packed.data;
		len = packed.len;
		release = free;
		owner = packed.data;
	}
	request->status = status;
	request->response = MHD_create_response_from_buffer_with_free_callback_cls(len, data, release, owner);
	if (request->response == NULL)
		abort();
	if (content_type != NULL)
		gw_add_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	if (gzip)
		gw_add_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	if (len > 0)
		gw_add_header(request, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
	gw_count_bytes(0, (int64_t) len);
	add_common_headers(request);
}

static bool
compress_body(const char *data, size_t len, GwBuffer *out)
{
	z_stream	stream = {0};
	int			status;

	if (len > UINT32_MAX || deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	gw_buffer_reserve(out, deflateBound(&stream, len));
	stream.next_in = (Bytef *) data;
	stream.avail_in = (uInt) len;
	stream.next_out = (Bytef *) out->data;
	stream.avail_out = (uInt) (out->capacity < UINT32_MAX ? out->capacity : UINT32_MAX);
	status = deflate(&stream, Z_FINISH);
	out->len = stream.total_out;
	deflateEnd(&stream);
	if (status == Z_STREAM_END)
		return true;
	gw_buffer_free(out);
	return false;
}

void
gw_add_header(GwRequest *request, const char *name, const char *value)
{
	MHD_add_response_header(request->response, name, value);
}

static void
add_common_headers(GwRequest *request)
{
	if (request->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		gw_add_header(request, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_SECONDS);
	if (request->status == MHD_HTTP_UNAUTHORIZED)
		gw_add_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"pgtsdb\", charset=\"UTF-8\"");
	if (request->route == NULL || !(request->route->flags & GW_CORS) || *gw_options.cors_origin == '\0')
		return;
	gw_add_header(request, MHD_HTTP_HEADER_VARY, "Origin");
	if (request->origin == NULL)
		return;
	gw_add_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, gw_options.cors_origin);
	gw_add_header(request, "Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin, X-Scope-OrgID, X-Tenant-ID");
	gw_add_header(request, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
	gw_add_header(request, "Access-Control-Expose-Headers", "Date");
}

/* ---- failures ---- */

void
gw_fail(GwRequest *request, GwProblem problem, const char *format, ...)
{
	va_list		args;
	char	   *message;

	va_start(args, format);
	message = format_message(format, args);
	va_end(args);
	fail(request, problem, message);
	free(message);
}

void
gw_fail_parameter(GwRequest *request, const char *parameter, const char *format, ...)
{
	va_list		args;
	char	   *message;

	va_start(args, format);
	message = format_message(format, args);
	va_end(args);
	gw_fail(request, GW_BAD_DATA, "invalid parameter \"%s\": %s", parameter, message);
	free(message);
}

static char *
format_message(const char *format, va_list args)
{
	char	   *message;

	if (vasprintf(&message, format, args) < 0)
		abort();
	return message;
}

static void
fail(GwRequest *request, GwProblem problem, const char *message)
{
	GwBuffer	body = {0};

	if (request->route != NULL && (request->route->flags & GW_ANYWAY) && request->complete && problem != GW_UNAUTHORIZED)
	{
		if (request->failure == NULL)
			request->failure = gw_strndup(message, strlen(message));
		request->unreachable |= problem == GW_UNAVAILABLE || problem == GW_TIMEOUT || problem == GW_CANCELED;
		return;
	}
	if (request->route != NULL && (request->route->flags & GW_PLAIN_ERRORS))
	{
		gw_buffer_printf(&body, "%s\n", message);
		gw_respond(request, problems[problem].status, TEXT, &body);
		return;
	}
	gw_buffer_printf(&body, "{\"status\":\"error\",\"errorType\":\"%s\",\"error\":", problems[problem].type);
	gw_quote_json(&body, message, strlen(message));
	gw_buffer_puts(&body, "}");
	gw_respond(request, problems[problem].status, JSON, &body);
}

unsigned
gw_status_of_type(const char *type, size_t len)
{
	for (int i = 0; i < GW_COUNT(problems); i++)
		if (strlen(problems[i].type) == len && memcmp(problems[i].type, type, len) == 0)
			return problems[i].status;
	return MHD_HTTP_INTERNAL_SERVER_ERROR;
}
