#!/usr/bin/env node
// Starts the bundle beside it, with the bytecode that an earlier command left: compiling is a third of a short run.
// The cache's name has the bundle's hash, as V8 itself compares little more than the length. Without a cache, with one of
// another Node, or where none can be written, the bundle is simply compiled. What is in it is what that command has walked
// through, so the two that have to be quick have one each; the others use that of `run`.
'use strict';
const fs = require('node:fs');
const vm = require('node:vm');

const file = `${__dirname}/main.cjs`;
const quick = process.argv.find((word) => word === 'run' || word === 'exec');
const cache = `${__dirname}/main.BUNDLE_HASH.${quick ?? 'run'}.cache`;

function readCache() {
  try {
    return fs.readFileSync(cache);
  } catch {
    return undefined;
  }
}

const cachedData = readCache();
// The bundle is one function, and ASCII alone (bundle.mjs): it is neither wrapped nor decoded here.
const script = new vm.Script(fs.readFileSync(file, 'latin1'), { filename: file, cachedData });

if ((cachedData === undefined || script.cachedDataRejected) && quick !== undefined) {
  process.on('exit', (code) => {
    if (code !== 0) return;
    try {
      fs.writeFileSync(`${cache}.${process.pid}`, script.createCachedData(), { mode: 0o644 });
      fs.renameSync(`${cache}.${process.pid}`, cache);
    } catch {
      // Not ours to write to.
    }
  });
}

script.runInThisContext()(exports, require, module, file, __dirname);
