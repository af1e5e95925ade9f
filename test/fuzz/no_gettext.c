/*
 * no_gettext.c
 *		Messages stay in English, without gettext.
 *
 * Preloaded: under AddressSanitizer, Debian's PostgreSQL waits for ever for a lock of
 * glibc's gettext before main() has done anything.
 */
#include <stddef.h>

char *
bindtextdomain(const char *domain, const char *directory)
{
	return NULL;
}

char *
bind_textdomain_codeset(const char *domain, const char *codeset)
{
	return NULL;
}

char *
textdomain(const char *domain)
{
	return NULL;
}

char *
gettext(const char *message)
{
	return (char *) message;
}

char *
dgettext(const char *domain, const char *message)
{
	return (char *) message;
}

char *
dcgettext(const char *domain, const char *message, int category)
{
	return (char *) message;
}

char *
ngettext(const char *one, const char *many, unsigned long n)
{
	return (char *) (n == 1 ? one : many);
}

char *
dngettext(const char *domain, const char *one, const char *many, unsigned long n)
{
	return ngettext(one, many, n);
}
