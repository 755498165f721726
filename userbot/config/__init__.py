"""Settings, the words that explain them, cron expressions, and every path under the home folder."""
