/*
 * fuzz_gateway_headers.c
 *		Any text as each of the headers that the gateway reads.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/parse/parse.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_authorization(const char *header)
{
	GwAuthorization authorization;

	if (gw_parse_authorization(header, &authorization) != NULL)
	{
		require(authorization.kind == GW_NO_AUTHORIZATION && authorization.user == NULL && authorization.secret == NULL);
		return;
	}
	require(authorization.kind == GW_BEARER || authorization.kind == GW_BASIC);
	require(authorization.secret != NULL && gw_same_secret(authorization.secret, authorization.secret));
	if (authorization.kind == GW_BASIC)
		require(*authorization.user != '\0' && strchr(authorization.user, ':') == NULL &&
				gw_is_utf8(authorization.user, strlen(authorization.user)));
	else
		require(*authorization.secret != '\0' && authorization.user == NULL);
	gw_authorization_free(&authorization);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = gw_strndup((const char *) data, size);

	check_authorization(text);
	require(!gw_accepts_gzip(text) || strcasestr(text, "gzip") != NULL);
	require(gw_write_format(text) == GW_UNKNOWN_FORMAT || strcasestr(text, "application/x-protobuf") != NULL);
	require(!gw_is_media_type(text, "a/b") || strcasestr(text, "a/b") != NULL);
	free(text);
	return 0;
}
