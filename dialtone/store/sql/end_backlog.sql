DELETE FROM rollup_backlog
