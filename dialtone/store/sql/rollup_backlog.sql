SELECT * FROM rollup_backlog
