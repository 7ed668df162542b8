# shellcheck shell=bash disable=SC2154
# The tiny guest: Debian's cloud kernel, and busybox with qemu-guest-agent as its initramfs. It boots in some 8 s without KVM.
# The kernel has ext4 built in, virtio as modules.

guest_kernel() { echo "$LAB/guest/vmlinuz"; }
guest_initramfs() { echo "$LAB/guest/initramfs.cpio.gz"; }
VIRTIO_MODULES=(drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_legacy_dev
  drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci drivers/block/virtio_blk drivers/char/virtio_console)

build_guest() {
  local G=$LAB/guest made_of
  made_of=$(cat "$here"/nova/guest{.sh,-init} | sha256sum)
  [ "$(cat "$G/built" 2>/dev/null)" = "$made_of" ] && return
  say "guest: kernel and initramfs"
  download_guest_packages
  rm -rf "$G/unpacked" "$G/root"
  mkdir -p "$G/unpacked"
  local package
  for package in "$G"/packages/*.deb; do dpkg -x "$package" "$G/unpacked"; done
  guest_root "$G/root" "$G/unpacked"
  (cd "$G/root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc | gzip -1) >"$(guest_initramfs)"
  cp "$G"/unpacked/boot/vmlinuz-* "$(guest_kernel)"
  rm -rf "$G/unpacked" "$G/root"
  echo "$made_of" >"$G/built"
}

guest_root() { # ROOT UNPACKED
  local root=$1 unpacked=$2 library module file
  mkdir -p "$root"/{bin,sbin,usr/sbin,usr/bin,dev,proc,sys,run,tmp,data,etc,lib/modules,lib64,var}
  ln -s ../run "$root/var/run"
  ln -s /proc/mounts "$root/etc/mtab"
  cp /etc/mke2fs.conf "$root/etc/"
  cp "$unpacked/bin/busybox" "$root/bin/busybox"
  cp "$unpacked/usr/sbin/qemu-ga" "$root/usr/sbin/qemu-ga"
  cp /usr/sbin/mke2fs "$root/sbin/mkfs.ext4"
  cp /usr/sbin/blkid "$root/sbin/blkid"
  # this machine is of the same Debian: its libraries fit
  for file in "$root"/usr/sbin/qemu-ga /usr/sbin/mke2fs /usr/sbin/blkid; do ldd "$file"; done |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/lib64/ { print $1 }' | sort -u |
    while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -L "$library" "$root$library"
    done
  # in the order in which they can be loaded: no depmod is needed
  for module in "${VIRTIO_MODULES[@]}"; do
    file=$(echo "$unpacked"/lib/modules/*/kernel/"$module.ko")
    [ -f "$file" ] || die "the guest's kernel has no module $module"
    cp "$file" "$root/lib/modules/"
    basename "$file" >>"$root/lib/modules/order"
  done
  cp "$here/nova/guest-init" "$root/init"
  chmod 755 "$root/init"
}
