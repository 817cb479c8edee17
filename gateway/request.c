/*
 * request.c
 *		One request: its headers, its body, its parameters.
 *
 * All of this runs on a thread of libmicrohttpd.  What the database workers need of the headers is copied
 * here, so that they never call into the connection.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/gateway.h"

/* So much more than the limit a client may send before it is cut off without an answer. */
#define MAX_DISCARDED (1024 * 1024)

static const char *header(const GwRequest *request, const char *name);
static char *copy_header(const GwRequest *request, const char *name);
static void find_route(GwRequest *request, const char *method);
static void answer_options(GwRequest *request);
static bool check_length(GwRequest *request);
static bool unpack_body(GwRequest *request);
static bool read_parameters(GwRequest *request);

GwRequest *
gw_request_create(struct MHD_Connection *connection, const char *uri)
{
	GwRequest  *request = gw_alloc(sizeof(GwRequest));

	request->connection = connection;
	request->socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	request->uri = gw_strndup(uri, strlen(uri));
	request->received = gw_now();
	return request;
}

void
gw_request_free(GwRequest *request)
{
	gw_release_memory((int64_t) request->body.len);
	gw_parameters_free(&request->parameters);
	gw_buffer_free(&request->body);
	gw_authorization_free(&request->authorization);
	free(request->uri);
	free(request->argument);
	free(request->tenant);
	free(request->content_type);
	free(request->content_encoding);
	free(request->origin);
	free(request->failure);
	if (request->response != NULL)
		MHD_destroy_response(request->response);
	free(request);
}

void
gw_request_begin(GwRequest *request, const char *method)
{
	const char *problem;

	request->begun = true;
	request->accepts_gzip = gw_accepts_gzip(header(request, MHD_HTTP_HEADER_ACCEPT_ENCODING));
	request->origin = copy_header(request, MHD_HTTP_HEADER_ORIGIN);
	request->content_type = copy_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
	request->content_encoding = copy_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
	request->tenant = copy_header(request, "X-Scope-OrgID");
	if (request->tenant == NULL)
		request->tenant = copy_header(request, "X-Tenant-ID");
	if (request->tenant == NULL)
		request->tenant = gw_strndup("", 0);

	find_route(request, method);
	if (request->status != 0)
		return;
	problem = gw_parse_authorization(header(request, MHD_HTTP_HEADER_AUTHORIZATION), &request->authorization);
	if (problem != NULL)
		gw_fail(request, GW_UNAUTHORIZED, "%s", problem);
	else if (request->authorization.kind == GW_NO_AUTHORIZATION && *gw_options.anonymous_role == '\0' &&
			 !(request->route->flags & GW_OPEN))
		gw_fail(request, GW_UNAUTHORIZED, "no credentials");
	else if (!gw_is_utf8(request->tenant, strlen(request->tenant)))
		gw_fail(request, GW_BAD_DATA, "name of the tenant is not UTF-8");
	else
		check_length(request);
}

static const char *
header(const GwRequest *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static char *
copy_header(const GwRequest *request, const char *name)
{
	const char *value = header(request, name);

	return value == NULL ? NULL : gw_strndup(value, strlen(value));
}

static void
find_route(GwRequest *request, const char *method)
{
	char	   *path = gw_strndup(request->uri, strcspn(request->uri, "?"));

	request->is_head = strcmp(method, "HEAD") == 0;
	request->route = gw_find_route(request, path);
	if (strcmp(method, "OPTIONS") == 0)
		answer_options(request);
	else if (request->route == NULL)
		gw_fail(request, GW_NOT_FOUND, "page not found: %s", path);
	else if (!(request->route->methods & gw_method(method)))
		gw_fail(request, GW_METHOD, "method %s is not allowed here", method);
	free(path);
}

/* Browsers ask before their scripts may send; what may be read is on the answers to reads only. */
static void
answer_options(GwRequest *request)
{
	gw_respond_empty(request, MHD_HTTP_NO_CONTENT);
}

static bool
check_length(GwRequest *request)
{
	const char *length = header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

	request->body_limit = (size_t) (request->route->flags & GW_BODY ? gw_options.max_body : gw_options.max_form);
	if (length != NULL && strtoull(length, NULL, 10) > request->body_limit)
	{
		gw_fail(request, GW_TOO_LARGE, "body of %s bytes is longer than %zu", length, request->body_limit);
		return false;
	}
	return true;
}

/* What is too long, or answered already, is read for a while and forgotten, so that the client can read the answer. */
bool
gw_request_take_body(GwRequest *request, const char *bytes, size_t len)
{
	if (request->status != 0 || request->too_large || request->body.len + len > request->body_limit)
	{
		request->too_large = request->status == 0;
		request->discarded += len;
		return request->discarded <= MAX_DISCARDED;
	}
	if (!gw_reserve_memory((int64_t) len))
	{
		gw_fail(request, GW_UNAVAILABLE, "too many bodies at once");
		return true;
	}
	gw_buffer_append(&request->body, bytes, len);
	return true;
}

void
gw_request_complete(GwRequest *request)
{
	request->complete = true;
	if (request->status != 0)
		return;
	if (request->too_large)
		gw_fail(request, GW_TOO_LARGE, "body is too long");
	else if (request->route->flags & GW_BODY)
		read_parameters(request);
	else if (unpack_body(request))
		read_parameters(request);
}

/* A form may be compressed; what a write takes is its own matter. */
static bool
unpack_body(GwRequest *request)
{
	GwBuffer	plain = {0};
	bool		too_large;
	const char *problem;

	if (request->body.len == 0 || request->content_encoding == NULL || strcasecmp(request->content_encoding, "identity") == 0)
		return true;
	if (strcasecmp(request->content_encoding, "gzip") != 0)
	{
		gw_fail(request, GW_MEDIA_TYPE, "content encoding is not gzip");
		return false;
	}
	problem = gw_gunzip(request->body.data, request->body.len, (size_t) gw_options.max_form, &plain, &too_large);
	if (problem != NULL)
	{
		gw_buffer_free(&plain);
		gw_fail(request, too_large ? GW_TOO_LARGE : GW_BAD_DATA, "%s", problem);
		return false;
	}
	/* what is given back at the end must be what was taken */
	gw_release_memory((int64_t) request->body.len);
	gw_buffer_free(&request->body);
	request->body = plain;
	if (gw_reserve_memory((int64_t) plain.len))
		return true;
	request->body.len = 0;
	gw_fail(request, GW_UNAVAILABLE, "too many bodies at once");
	return false;
}

/* Those of the body come first, then those of the URL, as in Go. */
static bool
read_parameters(GwRequest *request)
{
	const char *query = strchr(request->uri, '?');
	const char *problem = NULL;

	if (!(request->route->flags & GW_BODY) &&
		gw_is_media_type(request->content_type, "application/x-www-form-urlencoded"))
		problem = gw_parameters_add(&request->parameters, request->body.data, request->body.len);
	if (problem == NULL && query != NULL)
		problem = gw_parameters_add(&request->parameters, query + 1, strlen(query + 1));
	if (problem != NULL)
		gw_fail(request, GW_BAD_DATA, "error parsing form values: %s", problem);
	return problem == NULL;
}
