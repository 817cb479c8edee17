/*
 * errors.c
 *		The one door from a core status to an SQL error, a Prometheus errorType and an HTTP status.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "pg/errors.h"

static const struct
{
	TsdbStatus	status;
	int			sqlstate;
	const char *api_type;		/* Prometheus web/api/v1 errorType */
}			codes[] =
{
	{TSDB_ERR_SYNTAX, ERRCODE_SYNTAX_ERROR, "bad_data"},
	{TSDB_ERR_INPUT, ERRCODE_INVALID_BINARY_REPRESENTATION, "bad_data"},
	{TSDB_ERR_LABELS, ERRCODE_INVALID_PARAMETER_VALUE, "bad_data"},
	{TSDB_ERR_ENCODING, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "bad_data"},
	{TSDB_ERR_CORRUPT, ERRCODE_DATA_CORRUPTED, "internal"},
	{TSDB_ERR_EXECUTION, ERRCODE_DATA_EXCEPTION, "execution"},
	{TSDB_ERR_LIMIT, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "execution"},
	{TSDB_ERR_TIMEOUT, ERRCODE_QUERY_CANCELED, "timeout"},
	{TSDB_ERR_UNSUPPORTED, ERRCODE_FEATURE_NOT_SUPPORTED, "bad_data"},
};

int
pgtsdb_sqlstate(TsdbStatus status)
{
	for (int i = 0; i < lengthof(codes); i++)
		if (codes[i].status == status)
			return codes[i].sqlstate;
	return ERRCODE_INTERNAL_ERROR;
}

const char *
pgtsdb_api_error_type(TsdbStatus status)
{
	for (int i = 0; i < lengthof(codes); i++)
		if (codes[i].status == status)
			return codes[i].api_type;
	return "internal";
}

/* Messages quote received bytes, which need not be text of the server's encoding: those that are not become \xNN. */
static char *
printable(const char *text)
{
	StringInfoData result;

	initStringInfo(&result);
	while (*text != '\0')
	{
		int			n = pg_encoding_verifymbchar(GetDatabaseEncoding(), text, strlen(text));

		if (n > 0)
			appendBinaryStringInfo(&result, text, n);
		else
			appendStringInfo(&result, "\\x%02x", (unsigned char) *text);
		text += Max(n, 1);
	}
	return result.data;
}

void
pgtsdb_raise(const TsdbError *error)
{
	ereport(ERROR,
			(errcode(pgtsdb_sqlstate(error->code)),
			 errmsg("%s", printable(error->message)),
			 error->hint[0] != '\0' ? errhint("%s", printable(error->hint)) : 0));
}

void
pgtsdb_raise_in(const TsdbError *error, const char *input)
{
	int			position = error->start < 0 ? 0 : pg_mbstrlen_with_len(input, (int) error->start) + 1;

	ereport(ERROR,
			(errcode(pgtsdb_sqlstate(error->code)),
			 errmsg("%s", printable(error->message)),
			 error->hint[0] != '\0' ? errhint("%s", printable(error->hint)) : 0,
			 position > 0 ? internalerrquery(input) : 0,
			 position > 0 ? internalerrposition(position) : 0));
}
