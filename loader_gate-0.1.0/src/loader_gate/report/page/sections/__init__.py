"""The sections of the page, a module for each topic: pictures and tables of one run, and its history."""
