#pragma once

#include <filesystem>
#include <string>

namespace betedge::net {

// A self-signed certificate for 127.0.0.1, made anew, with its key: its own authority.
struct Certificate {
  std::string certificate_pem;
  std::string key_pem;            // PKCS #8
  std::string encrypted_key_pem;  // the same, under a passphrase
};
Certificate make_certificate(const std::string& common_name);

// A folder of the test's own, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& content) const;
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

 private:
  std::filesystem::path folder_;
};

// One certificate for all tests that only need some: named "betedge test".
struct CertificateFiles {
  std::string certificate;
  std::string key;
};
const CertificateFiles& shared_certificate();

}  // namespace betedge::net
