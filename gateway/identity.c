/*
 * identity.c
 *		Who asks: credentials of a request become a role of the database.
 *
 * Basic: the database itself checks user and password, on a connection of that user.
 * Bearer: a token of the file stands for a role, which the gateway's own role becomes by SET ROLE.
 * None: the role of --role-for-anonymous, the same way.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

#define MAX_TOKENS 1000

static struct
{
	char	   *role;
	char	   *token;
}			tokens[MAX_TOKENS];
static int	n_tokens;

static void add_token(char *line, int number);
static const char *role_of_token(const char *token);

void
gw_read_tokens(void)
{
	char		line[1024];
	FILE	   *file;

	if (*gw_options.tokens_file == '\0')
		return;
	file = fopen(gw_options.tokens_file, "r");
	if (file == NULL)
	{
		gw_log("could not open \"%s\": %s", gw_options.tokens_file, strerror(errno));
		exit(2);
	}
	for (int number = 1; fgets(line, sizeof(line), file) != NULL; number++)
	{
		line[strcspn(line, "\r\n")] = '\0';
		if (*line != '\0' && *line != '#')
			add_token(line, number);
	}
	fclose(file);
}

static void
add_token(char *line, int number)
{
	char	   *colon = strchr(line, ':');

	if (colon == NULL || colon == line || strlen(colon + 1) < 16 || strncmp(line, "none:", 5) == 0 || n_tokens == MAX_TOKENS)
	{
		gw_log("\"%s\", line %d: not \"role:token\" with a token of 16 characters or more, or too many lines",
			   gw_options.tokens_file, number);
		exit(2);
	}
	tokens[n_tokens].role = gw_strndup(line, colon - line);
	tokens[n_tokens++].token = gw_strndup(colon + 1, strlen(colon + 1));
}

bool
gw_identify(GwRequest *request, const char **user, const char **password, const char **role)
{
	*user = *password = *role = NULL;
	switch (request->authorization.kind)
	{
		case GW_BASIC:
			/* without a password libpq would look for one of its own */
			if (*request->authorization.secret == '\0')
			{
				gw_fail(request, GW_UNAUTHORIZED, "unknown role or wrong password");
				return false;
			}
			*user = request->authorization.user;
			*password = request->authorization.secret;
			return true;
		case GW_BEARER:
			*role = role_of_token(request->authorization.secret);
			if (*role == NULL)
				gw_fail(request, GW_UNAUTHORIZED, "unknown token");
			return *role != NULL;
		case GW_NO_AUTHORIZATION:
			if (!(request->route->flags & GW_OPEN) || ((request->route->flags & GW_ANYWAY) && *gw_options.anonymous_role != '\0'))
				*role = gw_options.anonymous_role;
			return true;
	}
	return false;
}

/* Looks at all of them, so that the time tells nothing. */
static const char *
role_of_token(const char *token)
{
	const char *role = NULL;

	for (int i = 0; i < n_tokens; i++)
		if (gw_same_secret(tokens[i].token, token))
			role = tokens[i].role;
	return role;
}
