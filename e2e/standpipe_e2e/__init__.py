"""End-to-end suites of Standpipe: official clients and real servers, standard library only."""
