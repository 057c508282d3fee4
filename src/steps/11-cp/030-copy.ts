import { copy } from '../../daemon/copy.ts';
import { recordEvent } from '../../daemon/events.ts';
import { step } from '../../engine/step.ts';

export const copyFiles = step({
  id: 'cp.copy',
  title: 'Copy the files',
  actor: 'daemon',
  then: { symbol: 'container.Copy, archive.TarWithOptions', file: 'daemon/container.go' },
  now: {
    where: 'moby daemon/archive_unix.go containerExtractToDir',
    cve: ['CVE-2014-9357', 'CVE-2026-41567'],
  },
  needs: ['copyTarget', 'copyRequest', 'copyStream', 'copyRoot'],
  gives: ['copied'],
  observe: ['mounts'],
  async run({ copyTarget, copyRequest, copyStream, copyRoot }, { sys, place, interruption }) {
    try {
      const bytes = await copy(sys, copyRoot, copyTarget.name, copyRequest, copyStream, interruption);
      if (copyRequest.what === 'layers') recordEvent(place, 'export', copyTarget);
      else recordEvent(place, 'copy', copyTarget, { path: copyRequest.inside });
      return { copied: { bytes } };
    } finally {
      // What is open beneath a mount would keep it from being undone.
      sys.close(copyRoot);
      if (copyTarget.pidfd >= 0) sys.close(copyTarget.pidfd);
    }
  },
});
