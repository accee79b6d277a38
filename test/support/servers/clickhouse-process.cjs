// The real ClickHouse server code with its HTTP interface, out of npm packages alone.
// usage: node clickhouse-process.cjs DATA_DIR HTTP_PORT [CONFIG_FILE]
const path = require('node:path')
const { open, load, DataType } = require('ffi-rs')

const [dataDir, httpPort, configFile] = process.argv.slice(2)
const library = path.join(path.dirname(require.resolve(`@chdb/lib-linux-${process.arch}-gnu/package.json`)), 'libchdb.so')
open({ library: 'chdb', path: library })
const args = [
  'clickhouse',
  `--path=${dataDir}`,
  `--http_port=${httpPort}`,
  '--listen_host=127.0.0.1',
  ...(configFile ? [`--config-file=${configFile}`] : []),
  '--query',
  'SYSTEM START LISTEN HTTP; SELECT sleep(3) FROM system.numbers SETTINGS max_block_size=1, max_threads=1 FORMAT Null',
]
// A thread of its own: the call never returns, and the engine checks the stack bounds of a real thread.
load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: DataType.External,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [args.length, args],
  runInNewThread: true,
})
// A test runner that was killed cannot end this process, so it ends itself.
const parent = process.ppid
setInterval(() => process.ppid !== parent && process.kill(process.pid, 'SIGKILL'), 500)
