"""People in front: Slack, command line, HTTP, timetable, and the wiring of it all."""
