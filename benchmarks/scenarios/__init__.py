"""What `make bench` measures: each module has run(scale, journal) → Section, with figures of its own type inside."""
