// Build of the web application. `build.rs` gives the output folder in WEB_OUT and embeds what it finds there; each file
// that gains from it gets a brotli copy beside it, so that the server compresses nothing itself.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const COMPRESSIBLE = /\.(html|js|css|svg|json)$/;

function brotliCopies(quality: number): Plugin {
  return {
    name: 'brotli-copies',
    apply: 'build',
    writeBundle({ dir }) {
      if (!dir) return;
      for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || !COMPRESSIBLE.test(path)) continue;
        const raw = readFileSync(path);
        const packed = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } });
        if (packed.length < raw.length) writeFileSync(`${path}.br`, packed);
      }
    },
  };
}

export default defineConfig({
  build: {
    target: 'es2022',
    outDir: process.env.WEB_OUT ?? 'dist',
    emptyOutDir: true,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 800,
    // A font or picture inlined as data: would need a wider policy than images and fonts have; small ones are files too.
    assetsInlineLimit: 0,
  },
  plugins: [brotliCopies(Number(process.env.WEB_BROTLI ?? 5))],
  server: { proxy: Object.fromEntries(['/api', '/engine-rest'].map((path) => [path, process.env.SERVER ?? 'http://127.0.0.1:8080'])) },
});
