/*
 * authorization.c
 *		The header Authorization: basic and bearer.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/parse/parse.h"

static const char *parse_basic(const char *text, GwAuthorization *authorization);
static char *decode_base64(const char *text, size_t len, size_t *decoded_len);
static int	base64_digit(char c);

const char *
gw_parse_authorization(const char *header, GwAuthorization *authorization)
{
	*authorization = (GwAuthorization) {GW_NO_AUTHORIZATION};
	if (header == NULL)
		return NULL;
	if (strncasecmp(header, "Basic ", 6) == 0)
		return parse_basic(header + 6 + strspn(header + 6, " "), authorization);
	if (strncasecmp(header, "Bearer ", 7) == 0)
	{
		const char *token = header + 7 + strspn(header + 7, " ");
		size_t		len = strcspn(token, " ");

		if (len == 0 || token[len] != '\0')
			return "malformed bearer token";
		authorization->kind = GW_BEARER;
		authorization->secret = gw_strndup(token, len);
		return NULL;
	}
	return "unknown authorization scheme, use Basic or Bearer";
}

/* User and password become parameters of a connection, which end at a zero byte. */
static const char *
parse_basic(const char *text, GwAuthorization *authorization)
{
	size_t		len;
	char	   *decoded = decode_base64(text, strcspn(text, " "), &len);
	char	   *colon = decoded != NULL ? memchr(decoded, ':', len) : NULL;

	if (colon == NULL || colon == decoded || memchr(decoded, '\0', len) != NULL || !gw_is_utf8(decoded, len))
	{
		free(decoded);
		return "malformed basic authorization";
	}
	authorization->kind = GW_BASIC;
	authorization->user = gw_strndup(decoded, colon - decoded);
	authorization->secret = gw_strndup(colon + 1, decoded + len - colon - 1);
	memset(decoded, 0, len);
	free(decoded);
	return NULL;
}

static char *
decode_base64(const char *text, size_t len, size_t *decoded_len)
{
	char	   *decoded;
	unsigned	bits = 0;
	int			n_bits = 0;

	for (int padding = 0; padding < 2 && len > 0 && text[len - 1] == '='; padding++)
		len--;
	if (len % 4 == 1)
		return NULL;
	decoded = gw_alloc(len);
	*decoded_len = 0;
	for (size_t i = 0; i < len; i++)
	{
		int			digit = base64_digit(text[i]);

		if (digit < 0)
		{
			free(decoded);
			return NULL;
		}
		bits = (bits << 6 | (unsigned) digit) & 0xffffff;
		n_bits += 6;
		if (n_bits >= 8)
		{
			n_bits -= 8;
			decoded[(*decoded_len)++] = (char) (bits >> n_bits);
		}
	}
	return decoded;
}

static int
base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int) (at - digits);
}

void
gw_authorization_free(GwAuthorization *authorization)
{
	if (authorization->secret != NULL)
		explicit_bzero(authorization->secret, strlen(authorization->secret));
	free(authorization->user);
	free(authorization->secret);
	*authorization = (GwAuthorization) {GW_NO_AUTHORIZATION};
}

bool
gw_same_secret(const char *a, const char *b)
{
	size_t		len = strlen(a);
	size_t		other = strlen(b);
	unsigned	difference = len != other;

	for (size_t i = 0; i < len; i++)
		difference |= (unsigned char) a[i] ^ (unsigned char) b[other == 0 ? 0 : i % other];
	return difference == 0;
}
